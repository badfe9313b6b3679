package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"errors"
	"runtime"
)

// ScoreOption is a setting of [Router.Score].
type ScoreOption func(*scoreOptions)

type scoreOptions struct {
	output ScoreOutput
	names  []string
}

// ScoreOutput says what [Router.Score] returns.
type ScoreOutput int

// The outputs of a score.
const (
	// ScoreConfidence is c_ij, calibrated.
	ScoreConfidence ScoreOutput = C.ARMS_SCORE_CONFIDENCE
	// ScoreLogit is t_ij.
	ScoreLogit ScoreOutput = C.ARMS_SCORE_LOGIT
)

// WithOutput chooses what is returned; without it confidences are.
func WithOutput(output ScoreOutput) ScoreOption {
	return func(o *scoreOptions) { o.output = output }
}

// WithNames scores the named candidates, one a column. Without it all enabled ones are scored, in the
// order of [Router.List].
func WithNames(names ...string) ScoreOption {
	if names == nil {
		names = []string{}
	}
	return func(o *scoreOptions) { o.names = names }
}

// Scores is a table with a row for each query and a column for each candidate.
type Scores struct {
	Names      []string  // of the columns
	Values     []float32 // [queries, columns], row by row
	Generation uint64    // of the weights and candidates that gave the scores
}

// Row returns the scores of one query, in the order of Names. It is a part of Values.
func (s Scores) Row(query int) []float32 {
	columns := len(s.Names)
	return s.Values[query*columns : (query+1)*columns : (query+1)*columns]
}

// Score scores every query against every candidate.
//
// Candidates may change during the call. Without WithNames the columns are those that were enabled at one
// moment of it; Generation, which gave the scores, may be a later one, with some of them disabled or changed
// and others added, but has them all.
//
// ctx is looked at before the scoring begins, which then goes through all queries. Give thousands of them, which
// take seconds, in several calls, by WithNames, to stop in between; the same Generation says that nothing has
// changed between two of them.
//
// Errors: as [Router.Route].
func (r *Router) Score(ctx context.Context, queries []Query, options ...ScoreOption) (Scores, error) {
	var settings scoreOptions
	for _, option := range options {
		option(&settings)
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(queries)
	var a arguments
	defer a.release()
	asked := structs(&a, queries, a.query)
	if a.err != nil {
		return Scores{}, a.err
	}
	for {
		if err := ctx.Err(); err != nil {
			return Scores{}, err
		}
		names, err := r.columns(settings.names)
		if err != nil {
			return Scores{}, err
		}
		scores, err := r.score(asked, len(queries), names, settings.output)
		if settings.names != nil || !errors.Is(err, ErrNotFound) {
			return scores, err
		}
		// A listed candidate was removed before the scoring began.
	}
}

// columns returns the names that were given, or else those of the enabled candidates.
func (r *Router) columns(given []string) ([]string, error) {
	if given != nil {
		return append([]string{}, given...), nil
	}
	list, err := r.List()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, candidate := range list {
		if !candidate.Disabled {
			names = append(names, candidate.Name)
		}
	}
	return names, nil
}

// score scores the named candidates. Being named, they are the columns whatever has changed since they were
// listed.
func (r *Router) score(
	queries *C.arms_query, count int, names []string, output ScoreOutput,
) (Scores, error) {
	var a arguments
	defer a.release()
	given := (*C.arms_score_options)(a.zeroed(1, C.sizeof_arms_score_options))
	given.struct_size = C.sizeof_arms_score_options
	given.output = a.uint32("the output of a score", int(output))
	given.names = a.names(names)
	given.name_count = C.size_t(len(names))
	if a.err != nil {
		return Scores{}, a.err
	}
	values := make([]float32, count*len(names))
	var columns C.size_t
	var generation C.uint64_t
	var cause *C.arms_error
	status := C.arms_score(r.handle, queries, C.size_t(count), given,
		(*C.float)(first(values)), C.size_t(len(values)), &columns, &generation, &cause)
	if err := check(status, &cause); err != nil {
		return Scores{}, err
	}
	return Scores{names, values, uint64(generation)}, nil
}
