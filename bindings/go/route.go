package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"math"
	"runtime"
)

// RouteOption is a setting of [Router.Route]. Of several that set the same, as WithCascade and WithUtility set the
// policy, the last one counts.
type RouteOption func(*routeOptions)

type routeOptions struct {
	policy              Policy
	theta, abstainBelow float32
	lambda, mu          float64
	maxCost, maxLatency float64
	allowed             []string
	second              *Router
}

// Policy says what a route maximises. The options choose it: without one it is PolicyConfidence.
type Policy int

// The policies of the library.
const (
	// PolicyConfidence takes the candidate with the highest confidence, of both pools when there are
	// two.
	PolicyConfidence Policy = C.ARMS_POLICY_CONFIDENCE
	// PolicyCascade is chosen by WithCascade.
	PolicyCascade Policy = C.ARMS_POLICY_CASCADE
	// PolicyUtility is chosen by WithUtility.
	PolicyUtility Policy = C.ARMS_POLICY_UTILITY
)

// WithCascade stays in the first router's pool when its best confidence is above theta, else compares
// with the second router's. When it stays, the second is not computed and the ranked list ends with
// the first. A theta of 0 means the model file's, or 0.5.
func WithCascade(theta float32) RouteOption {
	return func(o *routeOptions) { o.policy, o.theta = PolicyCascade, theta }
}

// WithUtility maximises confidence - lambda*cost - mu*latency: lambda is what a US dollar is worth in
// confidence, mu what a millisecond is.
func WithUtility(lambda, mu float64) RouteOption {
	return func(o *routeOptions) { o.policy, o.lambda, o.mu = PolicyUtility, lambda, mu }
}

// WithAbstention chooses nobody when the chosen one's confidence is below the threshold.
func WithAbstention(threshold float32) RouteOption {
	return func(o *routeOptions) { o.abstainBelow = threshold }
}

// WithMaxCost leaves out candidates that cost more, in US dollars a query; 0 leaves those that cost nothing. A
// candidate whose cost is not known is an error, [ErrMissingValue], unless it is not allowed anyway.
func WithMaxCost(dollars float64) RouteOption {
	return func(o *routeOptions) { o.maxCost = ceiling(dollars) }
}

// WithMaxLatency leaves out candidates that take longer, in milliseconds. A candidate whose latency is not known is
// an error, as with [WithMaxCost].
func WithMaxLatency(milliseconds float64) RouteOption {
	return func(o *routeOptions) { o.maxLatency = ceiling(milliseconds) }
}

// ceiling returns what stands for a ceiling in C, where 0 is none: in its place the smallest number above it.
func ceiling(value float64) float64 {
	if value == 0 {
		return math.SmallestNonzeroFloat64
	}
	return value
}

// WithAllowed chooses from the named candidates only. Without names there is nobody to choose from.
func WithAllowed(names ...string) RouteOption {
	if names == nil {
		names = []string{}
	}
	return func(o *routeOptions) { o.allowed = names }
}

// WithSecond gives the second router where there are two files: its candidates are the second pool, with every
// policy. Without it, or with nil, that is the file's own.
func WithSecond(router *Router) RouteOption {
	return func(o *routeOptions) { o.second = router }
}

// Decision is the result of [Router.Route].
type Decision struct {
	Name       string   // the chosen candidate; "" when Abstained
	Confidence float32  // c_ij of the chosen one; of the best one when Abstained
	Utility    float32  // what the policy maximised
	Ranked     []Ranked // the whole ranked list, best first
	Generation uint64   // of the weights and candidates that decided

	Abstained         bool // no candidate was good enough
	QuestionTruncated bool // the question had more tokens than the encoder takes
	SecondRouter      bool // the second router's pool was computed
	ImagesIgnored     bool // the query has images, and a router that took part has no image encoder

	QuestionTokens      int       // tokens read, [CLS] and [SEP] included
	QuestionTokensTotal int       // tokens before truncation
	Gate                []float32 // p_i: the gate's probabilities, [ExpertCount]
	SecondGate          []float32 // the same of the second router; empty when not computed
}

// Ranked is an entry of the ranked list.
type Ranked struct {
	Name       string
	Router     int     // 0 or 1: whose pool the candidate is in
	Confidence float32 // c_ij, calibrated
	Logit      float32 // t_ij, not calibrated
	Utility    float32 // what the list is sorted by
	Correct    bool    // the predicted label: c_ij > 0.5
}

// Route chooses a candidate for a query. Candidates that are disabled, not allowed, above a ceiling,
// or that take fewer images than the query has, are not ranked.
//
// Errors: [ErrNoCandidates], [ErrMissingValue], [ErrNotFound] (a name in WithAllowed),
// [ErrInvalidText], those of [Router.EncodeImage], and those of ctx.
func (r *Router) Route(ctx context.Context, query Query, options ...RouteOption) (Decision, error) {
	if err := ctx.Err(); err != nil {
		return Decision{}, err
	}
	var settings routeOptions
	for _, option := range options {
		option(&settings)
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(settings.second)
	defer runtime.KeepAlive(&query)

	var a arguments
	defer a.release()
	asked := structs(&a, []Query{query}, a.query)
	given := a.routeOptions(&settings)
	if a.err != nil {
		return Decision{}, a.err
	}
	capacity, err := r.capacity(settings.second)
	if err != nil {
		return Decision{}, err
	}
	for {
		ranked := make([]C.arms_ranked, capacity)
		ranked[0].struct_size = C.sizeof_arms_ranked
		decision := C.arms_decision{struct_size: C.sizeof_arms_decision}
		var cause *C.arms_error
		status := C.arms_route(
			r.handle, asked, given, &decision, first(ranked), C.size_t(capacity), &cause)
		if err := check(status, &cause); err != nil {
			return Decision{}, err
		}
		if int(decision.ranked_count) <= capacity {
			return newDecision(&decision, ranked[:decision.ranked_count]), nil
		}
		// More candidates were added since they were counted than there was room for.
		capacity = int(decision.ranked_count) + spareRanks
	}
}

// pointer returns the handle of a router that was given, NULL for nil, as that of a data set.
func (r *Router) pointer() *C.arms_router {
	if r == nil {
		return nil
	}
	return r.handle
}

// spareRanks is how many candidates may be added between the count of them and a route, which would otherwise
// be computed, and count in the metrics, twice.
const spareRanks = 16

// capacity returns how many candidates a route is given room for: all there are, and some more.
func (r *Router) capacity(second *Router) (int, error) {
	info, err := r.Info()
	if err != nil || second == nil {
		return info.CandidateCount + spareRanks, err
	}
	other, err := second.Info()
	return info.CandidateCount + other.CandidateCount + spareRanks, err
}

func (a *arguments) routeOptions(settings *routeOptions) *C.arms_route_options {
	given := (*C.arms_route_options)(a.zeroed(1, C.sizeof_arms_route_options))
	given.struct_size = C.sizeof_arms_route_options
	given.policy = C.uint32_t(settings.policy)
	given.theta = C.float(settings.theta)
	given.abstain_below = C.float(settings.abstainBelow)
	given.lambda = C.double(settings.lambda)
	given.mu = C.double(settings.mu)
	given.max_cost = C.double(settings.maxCost)
	given.max_latency = C.double(settings.maxLatency)
	if settings.allowed != nil {
		given.allowed = a.names(settings.allowed)
		given.allowed_count = C.size_t(len(settings.allowed))
	}
	if settings.second != nil {
		a.made("the second router", settings.second.handle != nil)
	}
	given.second = settings.second.pointer()
	return given
}

func newDecision(decision *C.arms_decision, ranked []C.arms_ranked) Decision {
	result := Decision{
		Name:                C.GoString(&decision.name[0]),
		Confidence:          float32(decision.confidence),
		Utility:             float32(decision.utility),
		Ranked:              make([]Ranked, len(ranked)),
		Generation:          uint64(decision.generation),
		Abstained:           decision.flags&C.ARMS_DECISION_ABSTAINED != 0,
		QuestionTruncated:   decision.flags&C.ARMS_DECISION_QUESTION_TRUNCATED != 0,
		SecondRouter:        decision.flags&C.ARMS_DECISION_SECOND_ROUTER != 0,
		ImagesIgnored:       decision.flags&C.ARMS_DECISION_IMAGES_IGNORED != 0,
		QuestionTokens:      int(decision.question_tokens),
		QuestionTokensTotal: int(decision.question_tokens_total),
		Gate:                floats(decision.gate[:decision.expert_count]),
		SecondGate:          floats(decision.second_gate[:decision.second_expert_count]),
	}
	for i := range ranked {
		entry := &ranked[i]
		result.Ranked[i] = Ranked{
			Name:       C.GoString(&entry.name[0]),
			Router:     int(entry.router),
			Confidence: float32(entry.confidence),
			Logit:      float32(entry.logit),
			Utility:    float32(entry.utility),
			Correct:    entry.label != 0,
		}
	}
	return result
}

func floats(values []C.float) []float32 {
	result := make([]float32, len(values))
	for i, value := range values {
		result[i] = float32(value)
	}
	return result
}
