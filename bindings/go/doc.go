// Package arms chooses, per request, among vision-language models (VLMs).
//
// Given an image, a question and a pool of candidate VLMs, it says which of them will answer
// correctly. It runs in the caller's process, in milliseconds, on the CPU.
//
//	router, err := arms.Open("router.gguf")
//	if err != nil {
//		return err
//	}
//	defer router.Close()
//
//	decision, err := router.Route(ctx, arms.Query{
//		Question: "How many cars are there?",
//		Images:   []arms.Image{arms.FromPath("street.jpg")},
//	})
//	if err != nil {
//		return err
//	}
//	fmt.Println(decision.Name, decision.Confidence)
//	for _, fallback := range decision.Ranked[1:] { ... }
//
// # Building
//
// The package finds libarms by pkg-config, under the name arms. A library installed outside of the
// system's folders, by bindings/c/install.sh --prefix DIR say, is named by the usual variables:
//
//	PKG_CONFIG_PATH=DIR/lib/pkgconfig LD_LIBRARY_PATH=DIR/lib go build ./...
//
// # Concurrency
//
// Every function and method may be called from any goroutine at any time, on the same values as
// well; a [Trainer] answers one call at a time, others with [ErrBusy]. A call occupies an operating
// system thread while it computes, as every cgo call does, so a server should bound the calls it runs
// at once, to a few per core.
//
// A context is looked at before a call into the library; a computation that has begun is finished, whatever the
// deadline. That is a matter of milliseconds for one query, but not for many: [Router.Score] is to be given
// thousands of queries in several calls where it may have to stop, and nothing stops [Router.Calibrate],
// [Router.Fit], [Trainer.Evaluate] and [Trainer.ComputeGradients], which go through all that they are given.
// [Trainer.Run] and [Router.Extend] look at the context after every step, not while they measure.
//
// # Memory
//
// [Router], [EncodedQuestion], [EncodedImage], [DataSet] and [Trainer] hold memory that the garbage
// collector does not see. Close frees it at once; without Close a finalizer does, at some time. A value
// that is used after Close answers with [ErrInvalidHandle].
//
// # Errors
//
// Errors of the library are of type *[Error]; errors.Is tells them apart by the Err variables. That of a file
// that does not exist is fs.ErrNotExist too, that of one that the system keeps from this process fs.ErrPermission.
package arms
