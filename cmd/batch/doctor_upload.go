package main

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// lookAtUpload tries out the bucket of upload: with an object of its own.
func lookAtUpload(ctx context.Context, x *examination) []finding {
	if _, ok := x.file.UploadPlace(); !ok {
		return []finding{good("none: datasets and results are in the store alone")}
	}
	// What fails is said once, as what was found.
	to, err := openBucket(x.file, ctx.Done(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	defer to.Close()
	text := []byte("ok")
	f, err := os.CreateTemp(x.store.Dir(), ".doctor-*")
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return []finding{bad("", "%v", err)}
	}
	if err := to.Probe(ctx, f.Name(), text); err != nil {
		return []finding{bad("", "%v", err)}
	}
	return []finding{good("%s takes objects, lists them, gives them back and removes them", to)}
}
