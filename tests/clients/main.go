// The client of openapi-generator, go: the argument is the address.
package main

import (
	"context"
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

	review := client.NewReviewsInsert(films[0].Id, "go", 4)
	inserted, _, err := api.ReviewsAPI.InsertReviews(ctx).Prefer("return=representation").
		ReviewsInsert([]client.ReviewsInsert{*review}).Execute()
	if err != nil || len(inserted) != 1 || inserted[0].Stars != 4 {
		log.Fatal("inserted: ", inserted, err)
	}

	arguments := client.NewFilmsPerDecadeArgs()
	arguments.SetFromYear(1950)
	rows, _, err := api.RpcAPI.CallFilmsPerDecade(ctx).FilmsPerDecadeArgs(*arguments).Execute()
	if err != nil || len(rows) == 0 || rows[0].GetDecade() < 1950 {
		log.Fatal("called: ", rows, err)
	}
}
