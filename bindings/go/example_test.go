package arms_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"arms.dev/arms"
)

func ExampleRouter_Route() {
	router, err := arms.Open("../../Tests/Fixtures/models/distilbert-patches-scaled.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer router.Close()

	decision, err := router.Route(context.Background(), arms.Query{
		Question: "How many cars are there?",
		Images:   []arms.Image{arms.RGB8(make([]byte, 64*48*3), 64, 48, 0)},
	}, arms.WithAllowed("large"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(decision.Name, len(decision.Ranked))
	// Output: large 1
}

func ExampleRouter_Add() {
	router, err := arms.Open("../../Tests/Fixtures/models/distilbert-patches-scaled.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer router.Close()

	candidate := arms.Candidate{
		Name:          "qwen2-vl-7b",
		Parameters:    "7B",
		LanguageModel: "Qwen2-7B",
		VisionModel:   "ViT 675M",
		Cost:          arms.Known(0.002),
	}
	for i := 0; i < 2; i++ {
		err := router.Add(context.Background(), candidate)
		fmt.Println(err == nil, errors.Is(err, arms.ErrAlreadyExists))
	}
	// Output:
	// true false
	// false true
}
