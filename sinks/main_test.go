package sinks

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childRole names what the test binary does instead of testing, for tests that
// need another process.
const childRole = "SINKS_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}
