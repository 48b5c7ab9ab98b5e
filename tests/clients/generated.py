"""The client of openapi-generator, python: argument 1 is the folder that has it, 2 the address."""

import sys

sys.path.insert(0, sys.argv[1])

import openapi_client as generated

configuration = generated.Configuration(host=sys.argv[2])
with generated.ApiClient(configuration) as client:
    films = generated.FilmsApi(client).read_films(year="gte.1990", order="year.desc,id", limit=3)
    assert [film.year >= 1990 for film in films] == [True] * 3, films

    review = generated.ReviewsInsert(film_id=films[0].id, author="python", stars=4)
    inserted = generated.ReviewsApi(client).insert_reviews(
        [review], prefer="return=representation"
    )
    assert inserted[0].stars == 4, inserted

    arguments = generated.FilmsPerDecadeArgs(from_year=1950)
    rows = generated.RpcApi(client).call_films_per_decade(films_per_decade_args=arguments)
    assert rows and rows[0].decade >= 1950, rows
