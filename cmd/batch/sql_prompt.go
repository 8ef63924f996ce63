package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"convbatch/internal/prompt"
)

// historyFile is where the prompt keeps what was asked: in the store, since a
// query may name people, and the data it is about is there as well.
const historyFile = "sql_history"

// shell asks what is typed at a terminal. What is wrong with a query is said,
// and does not end it.
type shell struct {
	querier
	editor  *prompt.Editor
	history *prompt.History
	words   *vocabulary

	mu     sync.Mutex
	cancel context.CancelFunc // of the query that runs; nil for none
}

// prompt reads queries from a terminal until the person leaves.
func (q querier) prompt(ctx context.Context, in, errs *os.File) error {
	if err := q.checkFormat(); err != nil {
		return err
	}
	history, err := prompt.OpenHistory(filepath.Join(q.store.Dir(), historyFile))
	s := &shell{querier: q, history: history}
	s.warn(err)
	s.words = &vocabulary{querier: &s.querier}
	text := ""
	s.editor = prompt.NewEditor(in, errs, history, func(before string) ([]string, int) { return s.words.complete(ctx, text+before) })
	defer s.watchSignals()()
	fmt.Fprintln(errs, `A query ends with a semicolon. \d lists the views, \? the commands, \q leaves.`)
	for {
		line, err := s.editor.Line(promptOf(text))
		switch {
		case errors.Is(err, prompt.ErrInterrupted):
			text = ""
			continue
		case errors.Is(err, io.EOF):
			err = s.editor.Restore()
			fmt.Fprintln(errs)
			return err
		case err != nil:
			return errors.Join(err, s.editor.Restore())
		}
		text, err = s.doAll(ctx, text+line+"\n")
		if errors.Is(err, errLeave) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func promptOf(text string) string {
	if text == "" {
		return "batch> "
	}
	return "   ...> "
}

// doAll does all that is whole in a text and returns the rest. Only errLeave,
// and an error of the terminal, is returned.
func (s *shell) doAll(ctx context.Context, text string) (rest string, err error) {
	for {
		advance, statement, err := prompt.Statements([]byte(text), false)
		if err != nil || advance == 0 {
			if strings.TrimSpace(text) == "" {
				text = ""
			}
			return text, err
		}
		unkept := s.history.Keep(text[:advance])
		text = strings.TrimSpace(text[advance:])
		if text != "" {
			text += "\n"
		}
		if err := s.doOne(ctx, string(statement)); err != nil {
			return "", err
		}
		s.warn(unkept)
	}
}

// doOne does what a statement says, and shows how long it took.
func (s *shell) doOne(ctx context.Context, statement string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.running(cancel)
	defer s.running(nil)
	if err := s.editor.Restore(); err != nil { // from here on Ctrl-C is a signal
		return err
	}
	began := time.Now()
	err := s.do(ctx, statement)
	switch {
	case errors.Is(err, errLeave):
		return err
	case ctx.Err() != nil:
		fmt.Fprintln(s.p.stderr, "cancelled")
	case err != nil:
		fmt.Fprintln(s.p.stderr, err)
	case !prompt.IsCommand(statement):
		fmt.Fprintf(s.p.stderr, "%.3f s\n", time.Since(began).Seconds())
	}
	return nil
}

func (s *shell) running(cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
}

// watchSignals cancels the query that runs at a SIGINT, and at what ends the
// process makes the terminal what it was.
func (s *shell) watchSignals() (stop func()) {
	ch, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for {
			select {
			case sig := <-ch:
				if sig != syscall.SIGINT {
					_ = s.editor.Restore() // there is nobody left to tell
					os.Exit(128 + int(sig.(syscall.Signal)))
				}
				s.mu.Lock()
				if s.cancel != nil {
					s.cancel()
				}
				s.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(ch)
		close(done)
	}
}

// warn says what is in nobody's way.
func (s *shell) warn(err error) {
	if err != nil {
		fmt.Fprintln(s.p.stderr, "batch: warning:", err)
	}
}
