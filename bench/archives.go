package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// measureArchive archives messages, and downloads the same pages with a bare
// loop.
func measureArchive(b *bench) error {
	head("messages", "a page", "who", "wall", "messages/s", "CPU a message", "peak memory", "wall, ratio")
	sizes := []int{1_000_000}
	if b.scale == 1 {
		sizes = append(sizes, 5_000_000) // the same memory, five times the time
	}
	for _, n := range sizes {
		if err := b.archive(max(n/b.scale, 1000)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) archive(messages int) (err error) {
	s, err := b.emulator("--messages", fmt.Sprint(messages), "--contacts", "20000", "--conversations", "20000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	list := s.list("messages", url.Values{"app_id": {s.App}, "messages_source": {"CONVERSATION_SOURCE"}, "page_size": {"1000"}})
	_, err = b.read(s, fmt.Sprintf("archive-%d", messages), archiveJob, list, messages, 1000)
	return err
}

// measureContacts exports contacts, whose pages are small and can only be had
// one after another.
func measureContacts(b *bench) (err error) {
	head("contacts", "a page", "who", "wall", "contacts/s", "CPU a contact", "peak memory", "wall, ratio")
	contacts := max(100_000/b.scale, 1000)
	s, err := b.emulator("--messages", "1000", "--contacts", fmt.Sprint(contacts))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	list := s.list("contacts", url.Values{"page_size": {"20"}})
	_, err = b.read(s, "contacts", contactsJob, list, contacts, 20)
	return err
}

const (
	archiveJob = `
  job: {kind: message_archive, app: %s, since: 180d}
`
	contactsJob = `
  job: {kind: contact_export} # of the project, whatever the app: %s
`
)

func (b *bench) emulator(args ...string) (*server, error) {
	return start(b.binary, append([]string{"emulator", "--listen", "127.0.0.1:0"}, args...)...)
}

// list is the URL of the first page of a list.
func (s *server) list(name string, query url.Values) string {
	return s.URLs.Conversation + "/v1/projects/" + s.Project + "/" + name + "?" + query.Encode()
}

// read reads a list with the floor and with batch, whose folder it returns.
func (b *bench) read(s *server, name, job, list string, rows, page int) (dir string, err error) {
	dir = filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := writeJobs(dir, s.info, "unlimited", job); err != nil {
		return "", err
	}
	all, err := turns(rounds(rows, 1_000_000),
		func() (figures, error) {
			return measure(dir, b.self, "floor-list", list, s.URLs.Token, s.KeyID, s.KeySecret)
		},
		func() (figures, error) { return b.fresh(dir, "run", "--quiet", "job") })
	if err != nil {
		return "", err
	}
	least, ours := all[0], all[1]
	row(rows, page, "floor", least.wall, perSecond(rows, least.wall), each(least.cpu, rows), mebibytes(least.peak), "")
	row(rows, page, "batch", ours.wall, perSecond(rows, ours.wall), each(ours.cpu, rows), mebibytes(ours.peak),
		float64(ours.wall)/float64(least.wall))
	return dir, nil
}
