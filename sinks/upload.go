package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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
	unlock, err := w.begin(ctx)
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
	for _, folder := range folders {
		if err := s.uploadFolder(ctx, &u, folder, plan); err != nil {
			return u, fmt.Errorf("upload the store %s: %w", s.dir, err)
		}
	}
	return u, nil
}

// uploadFolder brings what the bucket lacks of one folder.
func (s *Store) uploadFolder(ctx context.Context, u *Uploaded, folder string, plan bool) error {
	rel, err := filepath.Rel(s.dir, folder)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	here, err := segmentsIn(folder)
	if err != nil {
		return err
	}
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
	var missing []local
	for _, f := range here {
		if size, ok := there[f.name]; ok && size == f.bytes {
			u.There++
			continue
		}
		missing = append(missing, f)
	}
	gone, err := replaced(folder, missing, there)
	if err != nil {
		return err
	}
	if plan {
		u.Files, u.Replaced = u.Files+len(missing), u.Replaced+len(gone)
		for _, f := range missing {
			u.Bytes += f.bytes
		}
		return nil
	}
	remove := func(name string) error { return s.bucket.Remove(ctx, rel+"/"+name) }
	if err := atOnce(append(partsOf(here, there), gone...), remove); err != nil {
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

// local is a segment in a folder of the store.
type local struct {
	name  string
	bytes int64
}

// segmentsIn lists the segments in a folder; none where there is no such folder.
func segmentsIn(folder string) ([]local, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []local
	for _, e := range entries {
		if !segmentName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, local{name: e.Name(), bytes: info.Size()})
	}
	return all, nil
}

// partsOf returns the parts that Puts which died have left of files that are
// here. Where one lives, as a start's may, nothing is lost: the file is in the
// bucket, or comes to it next.
func partsOf(here []local, there map[string]int64) (parts []string) {
	for name := range there {
		m := objectName.FindStringSubmatch(name)
		if m != nil && m[3] != "" && slices.ContainsFunc(here, func(f local) bool { return f.name == m[1] }) {
			parts = append(parts, name)
		}
	}
	return parts
}

// replaced returns the objects whose rows are in a merged file that is to come,
// which says itself what it was made of.
func replaced(folder string, missing []local, there map[string]int64) (gone []string, err error) {
	for _, f := range missing {
		if !merged(f.name) {
			continue
		}
		made, err := mergedFrom(filepath.Join(folder, f.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // else it was pruned in this moment
			return nil, err
		}
		for _, name := range made {
			if _, ok := there[name]; ok {
				gone = append(gone, name)
			}
		}
	}
	return gone, nil
}

// mergedFrom returns the names of the files that a merged one was made of.
func mergedFrom(path string) (names []string, err error) {
	c, err := openCursor(path, "")
	if err != nil {
		return nil, err
	}
	return c.madeOf, c.close()
}
