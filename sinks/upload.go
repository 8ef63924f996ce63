package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Uploaded is what Upload did, or would do.
type Uploaded struct {
	Files    int   `json:"files"`    // that came to the bucket
	Bytes    int64 `json:"bytes"`    // of them
	Replaced int   `json:"replaced"` // objects that left it, for one of those files has their rows
	There    int   `json:"there"`    // files that were there
}

// Upload brings to the store's bucket what it lacks of datasets and results,
// told by name and size. With plan it only says what it would do. Jobs may run.
//
// Where Compact has merged files, the bucket gets the merged one, and those that
// it was made of leave the bucket before it comes: no row is ever there twice,
// and when the process dies in between the same command goes on. It returns a
// *CompactingError while a process merges files.
func (s *Store) Upload(ctx context.Context, plan bool) (u Uploaded, err error) {
	w := &compactor{store: s}
	unlock, err := w.begin()
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	folders, err := foldersOf(filepath.Join(s.dir, datasetsDir))
	if err != nil {
		return u, err
	}
	jobs, err := s.Jobs()
	if err != nil {
		return u, err
	}
	for _, job := range jobs {
		folders = append(folders, filepath.Join(s.JobDir(job), resultsDir))
	}
	settled, err := s.settledRuns(ctx)
	for _, folder := range folders {
		if err != nil {
			break
		}
		err = s.uploadFolder(ctx, &u, folder, settled, plan)
	}
	if err != nil {
		return u, fmt.Errorf("upload the store %s: %w", s.dir, err)
	}
	return u, nil
}

// uploadFolder brings what the bucket lacks of one folder.
func (s *Store) uploadFolder(ctx context.Context, u *Uploaded, folder string, settled map[string]bool, plan bool) error {
	rel, err := filepath.Rel(s.dir, folder)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	// Before the folder is read: what a run uploads meanwhile is not taken for
	// something that was merged.
	there := make(map[string]int64)
	err = s.bucket.List(ctx, rel+"/", func(name string, size int64) error {
		if dir, base := path.Split(name); dir == rel+"/" {
			there[base] = size
		}
		return nil
	})
	if err != nil {
		return err
	}
	here, err := segmentsIn(folder)
	if err != nil {
		return err
	}
	var missing []local
	for _, f := range here {
		if size, ok := there[f.name]; ok && size == f.bytes {
			u.There++
			continue
		}
		missing = append(missing, f)
	}
	busy, err := s.busyRuns(settled)
	if err != nil {
		return err
	}
	gone := replaced(here, missing, there, busy)
	if plan {
		u.Files, u.Replaced = u.Files+len(missing), u.Replaced+len(gone)
		for _, f := range missing {
			u.Bytes += f.bytes
		}
		return nil
	}
	if err := atOnce(gone, func(name string) error { return s.bucket.Remove(ctx, rel+"/"+name) }); err != nil {
		return err
	}
	u.Replaced += len(gone)
	var files, bytes atomic.Int64
	err = atOnce(missing, func(f local) error {
		err := s.bucket.Put(ctx, rel+"/"+f.name, filepath.Join(folder, f.name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was pruned in this moment
		}
		if err == nil {
			files.Add(1)
			bytes.Add(f.bytes)
		}
		return err
	})
	u.Files, u.Bytes = u.Files+int(files.Load()), u.Bytes+bytes.Load()
	return err
}

// busyRuns are the runs there are now that were not settled before.
func (s *Store) busyRuns(settled map[string]bool) (map[string]bool, error) {
	runs, err := s.Runs("")
	busy := make(map[string]bool)
	for _, r := range runs {
		busy[r.ID] = !settled[r.ID]
	}
	return busy, err
}

// local is a segment in a folder of the store.
type local struct {
	name  string
	at    place
	bytes int64
}

// place is where a segment stands in the order of commits.
type place struct {
	run    string
	commit int64
}

func (p place) compare(q place) int {
	return cmp.Or(strings.Compare(p.run, q.run), cmp.Compare(p.commit, q.commit))
}

// placeOf reads the name of a segment.
func placeOf(name string) (p place, ok bool) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return p, false
	}
	commit, err := strconv.ParseInt(m[2], 10, 64)
	return place{m[1], commit}, err == nil
}

// segmentsIn lists the segments in a folder in the order of their commits; none
// where there is no such folder.
func segmentsIn(folder string) ([]local, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []local
	for _, e := range entries {
		at, ok := placeOf(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, local{name: e.Name(), at: at, bytes: info.Size()})
	}
	slices.SortFunc(all, func(a, b local) int { return a.at.compare(b.at) })
	return all, nil
}

// replaced returns the objects whose rows are in a merged file that is to come.
// Files are merged with those beside them in the order of commits, so they lie
// between that file and the one before it which is still here. What a busy run
// wrote is never merged, nor what one wrote that the history does not have.
func replaced(here, missing []local, there map[string]int64, busy map[string]bool) (gone []string) {
	for _, f := range missing {
		if !merged(f.name) {
			continue
		}
		i, _ := slices.BinarySearchFunc(here, f.at, func(l local, at place) int { return l.at.compare(at) })
		for name := range there {
			at, ok := placeOf(name)
			after := i == 0 || at.compare(here[i-1].at) > 0
			active, known := busy[at.run]
			if ok && after && at.compare(f.at) <= 0 && known && !active && name != f.name {
				gone = append(gone, name)
			}
		}
	}
	return gone
}
