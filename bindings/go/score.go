package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
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
	Generation uint64    // of the candidates that were scored
}

// Row returns the scores of one query, in the order of Names. It is a part of Values.
func (s Scores) Row(query int) []float32 {
	columns := len(s.Names)
	return s.Values[query*columns : (query+1)*columns : (query+1)*columns]
}

// Score scores every query against every candidate.
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
	given := (*C.arms_score_options)(a.zeroed(1, C.sizeof_arms_score_options))
	given.struct_size = C.sizeof_arms_score_options
	given.output = C.uint32_t(settings.output)
	if settings.names != nil {
		given.names = a.names(settings.names)
		given.name_count = C.size_t(len(settings.names))
	}
	if a.err != nil {
		return Scores{}, a.err
	}
	for {
		if err := ctx.Err(); err != nil {
			return Scores{}, err
		}
		names, listed, err := r.columns(settings.names)
		if err != nil {
			return Scores{}, err
		}
		values := make([]float32, len(queries)*len(names))
		var count C.size_t
		var scored C.uint64_t
		var cause *C.arms_error
		status := C.arms_score(r.handle, asked, C.size_t(len(queries)), given,
			(*C.float)(first(values)), C.size_t(len(values)), &count, &scored, &cause)
		err = check(status, &cause)
		if err == nil && (settings.names != nil || uint64(scored) == listed) {
			return Scores{names, values, uint64(scored)}, nil
		}
		if err != nil && status != C.ARMS_ERROR_BUFFER_TOO_SMALL {
			return Scores{}, err
		}
		// The candidates changed between their listing and the scoring.
	}
}

// columns returns the names of the columns, and the generation when they are the enabled candidates.
func (r *Router) columns(names []string) ([]string, uint64, error) {
	if names != nil {
		return append([]string{}, names...), 0, nil
	}
	list, generation, err := r.list()
	if err != nil {
		return nil, 0, err
	}
	for _, candidate := range list {
		if !candidate.Disabled {
			names = append(names, candidate.Name)
		}
	}
	return names, generation, nil
}
