package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"
)

// measureQueries asks an archive, each time with a command of its own, before
// and after its files were merged.
func measureQueries(b *bench) (err error) {
	messages := max(5_000_000/b.scale, 1000)
	s, err := b.emulator("--messages", fmt.Sprint(messages), "--contacts", "20000", "--conversations", "20000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	head("messages", "a page", "who", "wall", "messages/s", "CPU a message", "peak memory", "wall, ratio")
	list := s.list("messages", url.Values{"app_id": {s.App}, "messages_source": {"CONVERSATION_SOURCE"}, "page_size": {"1000"}})
	dir, err := b.read(s, "sql", archiveJob, list, messages, 1000)
	if err != nil {
		return err
	}
	fmt.Println()
	head("messages", "command", "wall, best of 5", "CPU", "peak memory")
	if err := b.queries(dir, messages, ""); err != nil {
		return err
	}
	merged, err := measure(dir, b.binary, "compact", "--store", "store", "messages")
	if err != nil {
		return err
	}
	row(messages, "compact", merged.wall, merged.cpu, mebibytes(merged.peak))
	return b.queries(dir, messages, ", merged")
}

func (b *bench) queries(dir string, messages int, note string) error {
	ask := func(query string) (best figures, err error) {
		for range 5 {
			f, err := measure(dir, b.binary, "sql", "--store", "store", "--format", "json", query)
			if err != nil {
				return f, err
			}
			if best.wall == 0 || f.wall < best.wall {
				best = f
			}
		}
		return best, nil
	}
	some, err := ask("SELECT id FROM messages WHERE date = (SELECT max(date) - 15 FROM messages) LIMIT 1")
	if err != nil {
		return err
	}
	var found []struct{ ID string }
	if err := json.Unmarshal(some.output, &found); err != nil || len(found) != 1 {
		return errors.Join(fmt.Errorf("%s: %s holds no message to look for", some.output, filepath.Join(dir, "store")), err)
	}
	for _, q := range []struct{ name, query string }{
		{"SELECT 1", "SELECT 1"},
		{"one message by its id", "SELECT * FROM messages WHERE id = '" + found[0].ID + "'"},
		{"an id that is not there", "SELECT * FROM messages WHERE id = '" + found[0].ID[:25] + "!'"},
		{"counts by day and channel", "SELECT date, channel, count(*) FROM messages GROUP BY ALL"},
	} {
		f, err := ask(q.query)
		if err != nil {
			return err
		}
		row(messages, q.name+note, f.wall.Round(time.Millisecond), f.cpu, mebibytes(f.peak))
	}
	return nil
}
