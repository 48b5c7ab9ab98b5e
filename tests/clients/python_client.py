"""The client of openapi-python-client: argument 1 is the folder that has it, 2 the address."""

import sys

sys.path.insert(0, sys.argv[1])

from python_client import Client
from python_client.api.films import read_films
from python_client.api.reviews import insert_reviews
from python_client.api.rpc import call_films_per_decade
from python_client.models import FilmsPerDecadeArgs, ReviewsInsert

client = Client(base_url=sys.argv[2])

read = read_films.sync_detailed(client=client, year="gte.1990", order="year.desc,id", limit=3)
assert read.status_code == 200, read
assert [film.year >= 1990 for film in read.parsed] == [True] * 3, read.parsed

review = ReviewsInsert(film_id=read.parsed[0].id, author="openapi-python-client", stars=4)
inserted = insert_reviews.sync_detailed(
    client=client, body=[review], prefer="return=representation"
)
assert inserted.status_code == 201 and inserted.parsed[0].stars == 4, inserted

review.film_id = -1
refused = insert_reviews.sync_detailed(client=client, body=[review])
assert refused.status_code == 409 and refused.parsed.code == "23503", refused

called = call_films_per_decade.sync_detailed(
    client=client, body=FilmsPerDecadeArgs(from_year=1950)
)
assert called.status_code == 200 and called.parsed[0].decade >= 1950, called
