// Command route routes a question about an image and prints the candidates, best first.
//
//	go run . MODEL IMAGE QUESTION
package main

import (
	"context"
	"fmt"
	"os"

	"arms.dev/arms"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: route MODEL IMAGE QUESTION")
		os.Exit(2)
	}
	if err := route(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "route:", err)
		os.Exit(1)
	}
}

func route(ctx context.Context, model, image, question string) error {
	router, err := arms.Open(model)
	if err != nil {
		return err
	}
	defer router.Close()

	query := arms.Query{Question: question, Images: []arms.Image{arms.FromPath(image)}}
	decision, err := router.Route(ctx, query)
	if err != nil {
		return err
	}

	// The same candidates once more, as a table of one query: a column for each.
	var names []string
	for _, entry := range decision.Ranked {
		names = append(names, entry.Name)
	}
	scores, err := router.Score(ctx, []arms.Query{query},
		arms.WithNames(names...), arms.WithOutput(arms.ScoreLogit))
	if err != nil {
		return err
	}

	fmt.Println(decision.Name)
	for i, entry := range decision.Ranked {
		fmt.Printf("%d. %s: confidence %.4f, logit %.4f\n",
			i+1, entry.Name, entry.Confidence, scores.Row(0)[i])
	}
	return nil
}
