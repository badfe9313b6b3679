package arms

/*
#include <arms.h>
*/
import "C"

import (
	"runtime"
	"sync/atomic"
)

// Router is a router loaded from a model file, with its candidates. Make one with [Open].
type Router struct {
	handle *C.arms_router
	closed atomic.Bool
}

// OpenOption is a setting of [Open].
type OpenOption func(*openOptions)

type openOptions struct {
	copied              bool
	threads             int
	maxBytes, maxPixels uint64
}

// WithCopy reads the model file into memory instead of mapping it. A mapped file that is truncated by
// another process kills its readers; a copy cannot be. It costs load time and the sharing.
func WithCopy() OpenOption { return func(o *openOptions) { o.copied = true } }

// WithThreads sets how many threads one call may use, the caller's included. Without it, or with 0,
// those are as many as the cores that the process may use, or fewer where its container is limited to less
// processor time.
func WithThreads(count int) OpenOption { return func(o *openOptions) { o.threads = count } }

// WithImageLimits sets the largest image that is accepted: the bytes of its file and its pixels.
// 0 means the default: 67,108,864 bytes and 100,000,000 pixels.
func WithImageLimits(bytes, pixels uint64) OpenOption {
	return func(o *openOptions) { o.maxBytes, o.maxPixels = bytes, pixels }
}

// Open opens the model file at path.
//
// Errors: [ErrIO], [ErrInvalidModel], [ErrUnsupported], [ErrOutOfMemory], [ErrInvalidArgument].
func Open(path string, options ...OpenOption) (*Router, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	var settings openOptions
	for _, option := range options {
		option(&settings)
	}
	var a arguments
	defer a.release()
	given := C.arms_open_options{
		struct_size:      C.sizeof_arms_open_options,
		threads:          a.uint32("the thread count", settings.threads),
		max_image_bytes:  C.uint64_t(settings.maxBytes),
		max_image_pixels: C.uint64_t(settings.maxPixels),
	}
	if settings.copied {
		given.flags |= C.ARMS_OPEN_COPY
	}
	name := a.name("the path of the model file", path)
	if a.err != nil {
		return nil, a.err
	}
	router := &Router{}
	var cause *C.arms_error
	if err := check(C.arms_router_open(name, &given, &router.handle, &cause), &cause); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(router, (*Router).Close)
	return router, nil
}

// Close frees the router. Calls in flight in other goroutines finish undisturbed, and what was made
// from the router stays valid. The result is always nil, also of a second Close.
func (r *Router) Close() error {
	if !r.closed.Swap(true) {
		runtime.SetFinalizer(r, nil)
		C.arms_router_free(r.handle)
	}
	return nil
}

// Save writes the router and its present candidates as a model file. The file at path is replaced in
// one step when all bytes are on disk, or left as it is.
//
// Errors: [ErrIO], [ErrInvalidHandle], [ErrInvalidArgument].
func (r *Router) Save(path string) error {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	name := a.name("the path of the model file", path)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(C.arms_router_save(r.handle, name, &cause), &cause)
}

// ReloadOption is a setting of [Router.Reload].
type ReloadOption func(*C.arms_reload_options)

// KeepCandidates keeps the present candidates with their costs, latencies and limits. What is learned of
// them comes from the file, where it has one of that name and profile.
func KeepCandidates() ReloadOption {
	return func(o *C.arms_reload_options) { o.flags |= C.ARMS_RELOAD_KEEP_CANDIDATES }
}

// Reload replaces weights and candidates by those of the model file at path, in one step. Calls in flight
// finish on what they began with. The file passes every check of opening one, and its weights answer a
// query, before they serve; a file that fails leaves the old one serving. Never write to a model file
// that is in use: write another and rename it over the old one, as [Router.Save] does.
//
// Errors: those of [Open], [ErrInvalidHandle], and [ErrInvalidArgument] for a candidate that cannot be
// kept because its embedding was given and has another width.
func (r *Router) Reload(path string, options ...ReloadOption) error {
	return r.replace("the path of the model file", path, options,
		func(name *C.char, given *C.arms_reload_options, cause **C.arms_error) C.arms_status {
			return C.arms_router_reload(r.handle, name, given, cause)
		})
}

// ApplyAdapter adds an adapter that [Trainer.SaveAdapter] wrote to the weights that it was trained on, in
// one step: the router then answers as the trained one did, to the bit, and [Router.Save] writes the
// merged model. The candidates are those of the training, unless [KeepCandidates] is given. The file is
// checked as in [Router.Reload], and one that fails leaves the router as it was.
//
// Errors: [ErrIO], [ErrInvalidModel], [ErrUnsupported] (it is no adapter), [ErrInvalidHandle], and
// [ErrInvalidArgument] for an adapter of other weights or a candidate that cannot be kept.
func (r *Router) ApplyAdapter(path string, options ...ReloadOption) error {
	return r.replace("the path of the adapter", path, options,
		func(name *C.char, given *C.arms_reload_options, cause **C.arms_error) C.arms_status {
			return C.arms_router_apply_adapter(r.handle, name, given, cause)
		})
}

// replace makes a call that replaces the weights by those of a file.
func (r *Router) replace(
	what, path string, options []ReloadOption,
	call func(*C.char, *C.arms_reload_options, **C.arms_error) C.arms_status,
) error {
	defer runtime.KeepAlive(r)
	given := C.arms_reload_options{struct_size: C.sizeof_arms_reload_options}
	for _, option := range options {
		option(&given)
	}
	var a arguments
	defer a.release()
	name := a.name(what, path)
	if a.err != nil {
		return a.err
	}
	var cause *C.arms_error
	return check(call(name, &given, &cause), &cause)
}

// Fusion says how a router's experts look at an image.
type Fusion int

// The fusions of a model file.
const (
	// FusionPooled projects the image's pooled vector.
	FusionPooled Fusion = C.ARMS_FUSION_POOLED
	// FusionPatches lets the question attend to the image's tokens.
	FusionPatches Fusion = C.ARMS_FUSION_PATCHES
	// FusionConcat puts the pooled vectors side by side.
	FusionConcat Fusion = C.ARMS_FUSION_CONCAT
)

// Head says how a router makes a logit of a similarity.
type Head int

// The heads of a model file.
const (
	// HeadPaper is the inverse hyperbolic tangent of the cosine, bounded.
	HeadPaper Head = C.ARMS_HEAD_PAPER
	// HeadScaled is the cosine, scaled and offset by learned numbers.
	HeadScaled Head = C.ARMS_HEAD_SCALED
)

// Info describes a router. For a cascade the widths are the first router's.
type Info struct {
	Fusion            Fusion
	Head              Head
	ExpertCount       int    // N
	TextWidth         int    // d_t: of a pooled question and of a profile's embedding
	ImageWidth        int    // d_v: of a pooled image
	PatchWidth        int    // d_p: of an image token; 0 without an image encoder
	ImageTokens       int    // image tokens of one image, CLS included; 0 without an image encoder
	ImageSize         int    // side of the prepared square image, in pixels; 0: images are ignored
	MaxImages         int    // images a query may have
	MaxQuestionTokens int    // longer questions are truncated
	SharedWidth       int    // r: of the classifier
	RouterCount       int    // 2 when the file holds a cascade's second router
	Threads           int    // threads a call may use
	CandidateCount    int    // disabled ones included
	Generation        uint64 // grows with every change of the candidates or weights
}

// Info describes the router.
//
// Errors: [ErrInvalidHandle].
func (r *Router) Info() (Info, error) {
	defer runtime.KeepAlive(r)
	info := C.arms_router_info{struct_size: C.sizeof_arms_router_info}
	var cause *C.arms_error
	if err := check(C.arms_router_describe(r.handle, &info, &cause), &cause); err != nil {
		return Info{}, err
	}
	return Info{
		Fusion:            Fusion(info.fusion),
		Head:              Head(info.head),
		ExpertCount:       int(info.expert_count),
		TextWidth:         int(info.text_width),
		ImageWidth:        int(info.image_width),
		PatchWidth:        int(info.patch_width),
		ImageTokens:       int(info.image_tokens),
		ImageSize:         int(info.image_size),
		MaxImages:         int(info.max_images),
		MaxQuestionTokens: int(info.max_question_tokens),
		SharedWidth:       int(info.shared_width),
		RouterCount:       int(info.router_count),
		Threads:           int(info.threads),
		CandidateCount:    int(info.candidate_count),
		Generation:        uint64(info.generation),
	}, nil
}

// Memory says what memory a router holds, in bytes.
type Memory struct {
	Mapped     uint64 // the model file, shared with every process that maps it
	Weights    uint64 // weights held privately: copied or converted at load, trained or merged
	Candidates uint64 // embeddings and keys of the candidates
	Scratch    uint64 // scratch kept for the next calls
}

// Memory says what memory the router holds.
//
// Errors: [ErrInvalidHandle].
func (r *Router) Memory() (Memory, error) {
	defer runtime.KeepAlive(r)
	memory := C.arms_memory{struct_size: C.sizeof_arms_memory}
	var cause *C.arms_error
	if err := check(C.arms_router_memory(r.handle, &memory, &cause), &cause); err != nil {
		return Memory{}, err
	}
	return Memory{
		Mapped:     uint64(memory.mapped_bytes),
		Weights:    uint64(memory.weight_bytes),
		Candidates: uint64(memory.candidate_bytes),
		Scratch:    uint64(memory.scratch_bytes),
	}, nil
}

// filled calls a function of the library that fills a buffer: first for the number of elements, then
// for the elements, and once more if there have become more in the meantime.
func filled[T any](
	call func(buffer *T, capacity C.size_t, count *C.size_t, cause **C.arms_error) C.arms_status,
) ([]T, error) {
	var buffer []T
	for {
		var count C.size_t
		var cause *C.arms_error
		status := call(first(buffer), C.size_t(len(buffer)), &count, &cause)
		err := check(status, &cause)
		if err != nil && status != C.ARMS_ERROR_BUFFER_TOO_SMALL {
			return nil, err
		}
		if int(count) <= len(buffer) {
			return buffer[:count], nil
		}
		buffer = make([]T, count)
	}
}

// first returns the address of a slice's first element, or nil when there is none.
func first[T any](slice []T) *T {
	if len(slice) == 0 {
		return nil
	}
	return &slice[0]
}
