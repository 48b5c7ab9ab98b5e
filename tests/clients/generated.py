"""The client of openapi-generator, python: argument 1 is the folder that has it, 2 the address."""

import sys

sys.path.insert(0, sys.argv[1])

import openapi_client as generated

configuration = generated.Configuration(host=sys.argv[2])
with generated.ApiClient(configuration) as client:
    films = generated.FilmsApi(client).read_films(year="gte.1990", order="year.desc,id", limit=3)
    assert [film.year >= 1990 for film in films] == [True] * 3, films

    one = generated.FilmsApi(client).read_films(id=f"eq.{films[0].id}")
    assert [film.title for film in one] == [films[0].title], one

    studios = generated.StudiosApi(client)
    studio = generated.StudiosInsert(name="python", city="Kiel", founded=1990)
    inserted = studios.insert_studios([studio], prefer="return=representation")
    assert [row.founded for row in inserted] == [1990], inserted

    by_id = f"eq.{inserted[0].id}"
    change = generated.StudiosUpdate(founded=1991)
    updated = studios.update_studios(change, id=by_id, prefer="return=representation")
    assert [(row.name, row.founded) for row in updated] == [("python", 1991)], updated

    deleted = studios.delete_studios(id=by_id, prefer="return=representation")
    assert [row.id for row in deleted] == [inserted[0].id], deleted

    arguments = generated.FilmsPerDecadeArgs(from_year=1950)
    rows = generated.RpcApi(client).call_films_per_decade(films_per_decade_args=arguments)
    assert rows and rows[0].decade >= 1950, rows
