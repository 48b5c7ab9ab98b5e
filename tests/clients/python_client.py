"""The client of openapi-python-client: argument 1 is the folder that has it, 2 the address."""

import sys

sys.path.insert(0, sys.argv[1])

from python_client import Client
from python_client.api.films import read_films
from python_client.api.reviews import insert_reviews
from python_client.api.rpc import call_films_per_decade
from python_client.api.studios import delete_studios, insert_studios, update_studios
from python_client.models import FilmsPerDecadeArgs, ReviewsInsert, StudiosInsert, StudiosUpdate

client = Client(base_url=sys.argv[2])

read = read_films.sync_detailed(client=client, year="gte.1990", order="year.desc,id", limit=3)
assert read.status_code == 200, read
assert [film.year >= 1990 for film in read.parsed] == [True] * 3, read.parsed

one = read_films.sync(client=client, id=f"eq.{read.parsed[0].id}")
assert [film.title for film in one] == [read.parsed[0].title], one

studio = StudiosInsert(name="openapi-python-client", city="Kiel", founded=1990)
inserted = insert_studios.sync(client=client, body=[studio], prefer="return=representation")
assert [row.founded for row in inserted] == [1990], inserted

by_id = f"eq.{inserted[0].id}"
updated = update_studios.sync(
    client=client, id=by_id, body=StudiosUpdate(founded=1991), prefer="return=representation"
)
assert [(row.name, row.founded) for row in updated] == [(studio.name, 1991)], updated

deleted = delete_studios.sync(client=client, id=by_id, prefer="return=representation")
assert [row.id for row in deleted] == [inserted[0].id], deleted

review = ReviewsInsert(film_id=-1, author="openapi-python-client", stars=4)
refused = insert_reviews.sync_detailed(client=client, body=[review])
assert refused.status_code == 409 and refused.parsed.code == "23503", refused

called = call_films_per_decade.sync_detailed(
    client=client, body=FilmsPerDecadeArgs(from_year=1950)
)
assert called.status_code == 200 and called.parsed[0].decade >= 1950, called
