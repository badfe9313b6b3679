package arms

/*
#include <arms.h>
*/
import "C"

import (
	"math"
	"runtime"
	"time"
)

// Stage is what a router takes the time of.
type Stage int

// The stages of the library.
const (
	// StageRoute is a whole route that succeeded.
	StageRoute Stage = C.ARMS_STAGE_ROUTE
	// StageTokenize is the tokens of the texts that a call encodes together.
	StageTokenize Stage = C.ARMS_STAGE_TOKENIZE
	// StageDecode is decoding and preparing one image.
	StageDecode Stage = C.ARMS_STAGE_DECODE
	// StageText is the text encoder, for those texts; it may run beside decoding and encoding images.
	StageText Stage = C.ARMS_STAGE_TEXT
	// StageImage is the image encoder, for up to eight images.
	StageImage Stage = C.ARMS_STAGE_IMAGE
	// StageHead is gate, experts and classifier, for queries that are answered together.
	StageHead Stage = C.ARMS_STAGE_HEAD
)

var stageNames = [...]string{"route", "tokenize", "decode", "text", "image", "head"}

// Stages lists the stages.
func Stages() []Stage {
	stages := make([]Stage, len(stageNames))
	for i := range stages {
		stages[i] = Stage(i)
	}
	return stages
}

// String returns the stage's name, "text" say.
func (s Stage) String() string {
	if s < 0 || int(s) >= len(stageNames) {
		return "unknown"
	}
	return stageNames[s]
}

// Histogram is how often times of each length were seen.
type Histogram struct {
	Count   uint64        // times that were seen
	Sum     time.Duration // of these times
	Buckets []uint64      // of each bucket: above the bound of the one before, and not above its own
}

// Bound returns the upper bound of a bucket of a [Histogram], in seconds; +Inf for the last.
func Bound(bucket int) float64 {
	bound := uint64(math.MaxUint64)
	if bucket >= 0 && bucket < C.ARMS_HISTOGRAM_BUCKETS {
		bound = uint64(C.arms_histogram_bound(C.uint32_t(bucket)))
	}
	if bound == math.MaxUint64 {
		return math.Inf(1)
	}
	return float64(bound) / 1e9
}

// RouterMetrics is what a router has done since it was opened. Every number only grows.
//
// A call begins again where candidates changed amid its beginning, and what it did before counts as well: one
// decision more where over 16 were added during a [Router.Route], and an [ErrNotFound] where one that a
// [Router.Score] without [WithNames] was about to score was removed.
type RouterMetrics struct {
	Routes             uint64 // decisions made
	Scores             uint64 // calls of Score that succeeded
	ScoredQueries      uint64 // queries that these scored
	Abstentions        uint64 // decisions for nobody
	SecondRouter       uint64 // decisions for which the second router's pool was computed
	TruncatedQuestions uint64 // decisions about a question that was truncated
	IgnoredImages      uint64 // decisions about images that a router had no encoder for
	Reloads            uint64 // times that the weights were replaced
	ReusedQuestions    uint64 // questions that came encoded, routed or scored: hits of the caller's own cache
	ReusedImages       uint64 // images that came encoded, of the same

	// Errors counts routes, scores, encodings and reloads that failed.
	Errors map[Status]uint64
	// Stages has the times, those of scoring, of encoding and of the profiles of new candidates included.
	Stages map[Stage]Histogram
}

// Metrics says what the router has done. Nobody who routes waits for it. How often a candidate was chosen
// stands in [Router.List].
//
// Errors: [ErrInvalidHandle].
func (r *Router) Metrics() (RouterMetrics, error) {
	defer runtime.KeepAlive(r)
	given := C.arms_router_counters{struct_size: C.sizeof_arms_router_counters}
	var cause *C.arms_error
	if err := check(C.arms_router_metrics(r.handle, &given, &cause), &cause); err != nil {
		return RouterMetrics{}, err
	}
	metrics := RouterMetrics{
		Routes:             uint64(given.routes),
		Scores:             uint64(given.scores),
		ScoredQueries:      uint64(given.scored_queries),
		Abstentions:        uint64(given.abstentions),
		SecondRouter:       uint64(given.second_router),
		TruncatedQuestions: uint64(given.truncated_questions),
		IgnoredImages:      uint64(given.ignored_images),
		Reloads:            uint64(given.reloads),
		ReusedQuestions:    uint64(given.reused_questions),
		ReusedImages:       uint64(given.reused_images),
		Errors:             map[Status]uint64{},
		Stages:             map[Stage]Histogram{},
	}
	for status, count := range given.errors {
		if count > 0 {
			metrics.Errors[Status(status)] = uint64(count)
		}
	}
	for _, stage := range Stages() {
		if int(stage) >= int(given.stage_count) {
			continue
		}
		seen := &given.stages[stage]
		histogram := Histogram{
			Count:   uint64(seen.count),
			Sum:     time.Duration(seen.nanoseconds),
			Buckets: make([]uint64, len(seen.buckets)),
		}
		for i, count := range seen.buckets {
			histogram.Buckets[i] = uint64(count)
		}
		metrics.Stages[stage] = histogram
	}
	return metrics, nil
}
