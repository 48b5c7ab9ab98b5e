// The client of openapi-generator, go: the argument is the address.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	client "example.test/client"
)

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Args[1]}}
	api := client.NewAPIClient(configuration)
	ctx := context.Background()

	films, _, err := api.FilmsAPI.ReadFilms(ctx).Year("gte.1990").Order("year.desc,id").Limit(3).Execute()
	if err != nil || len(films) != 3 || films[0].Year < 1990 {
		log.Fatal("films: ", films, err)
	}

	id := fmt.Sprintf("eq.%d", films[0].Id)
	one, _, err := api.FilmsAPI.ReadFilms(ctx).Id(id).Execute()
	if err != nil || len(one) != 1 || one[0].Title != films[0].Title {
		log.Fatal("one: ", one, err)
	}

	studio := client.NewStudiosInsert("go", "Kiel", 1990)
	inserted, _, err := api.StudiosAPI.InsertStudios(ctx).Prefer("return=representation").
		StudiosInsert([]client.StudiosInsert{*studio}).Execute()
	if err != nil || len(inserted) != 1 || inserted[0].Founded != 1990 {
		log.Fatal("inserted: ", inserted, err)
	}

	id = fmt.Sprintf("eq.%d", inserted[0].Id)
	change := client.NewStudiosUpdate()
	change.SetFounded(1991)
	updated, _, err := api.StudiosAPI.UpdateStudios(ctx).Id(id).Prefer("return=representation").
		StudiosUpdate(*change).Execute()
	if err != nil || len(updated) != 1 || updated[0].Founded != 1991 || updated[0].Name != "go" {
		log.Fatal("updated: ", updated, err)
	}

	deleted, _, err := api.StudiosAPI.DeleteStudios(ctx).Id(id).Prefer("return=representation").Execute()
	if err != nil || len(deleted) != 1 || deleted[0].Id != inserted[0].Id {
		log.Fatal("deleted: ", deleted, err)
	}

	arguments := client.NewFilmsPerDecadeArgs()
	arguments.SetFromYear(1950)
	rows, _, err := api.RpcAPI.CallFilmsPerDecade(ctx).FilmsPerDecadeArgs(*arguments).Execute()
	if err != nil || len(rows) == 0 || rows[0].GetDecade() < 1950 {
		log.Fatal("called: ", rows, err)
	}
}
