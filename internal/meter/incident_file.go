package meter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// incidentFile is where a register is written down. It is a file of its own
// and no table: what is wrong may be the database.
type incidentFile struct {
	mu   sync.Mutex // held while writing
	path string     // "": nowhere
}

type writtenIncidents struct {
	Open []Incident `json:"open"`
	Past []Incident `json:"past"` // oldest first
}

const saveAgain = 5 * time.Second // after a write that failed

// Remember reads what an earlier run has written to a file, and has [Keep] and
// [Save] write there. What was open is open until somebody says that it is not.
// A file that cannot be read is set aside and said in the log: a start does not
// fail for it.
func (r *Incidents) Remember(path string) error {
	r.file.path = path
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var w writtenIncidents
	if err := json.Unmarshal(b, &w); err != nil {
		r.log.Error("the register of incidents cannot be read and begins anew", "file", path, "kept as", path+".damaged", "err", err)
		return os.Rename(path, path+".damaged")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range w.Past[max(0, len(w.Past)-mostPast):] {
		if p.Resolved != nil {
			r.past = append(r.past, p)
		}
	}
	for _, i := range w.Open {
		key := incidentKey{i.Name, i.Subject}
		r.open[key] = &openIncident{Incident: i, left: true}
		if _, known := r.kinds[i.Name]; !known { // nobody would ever resolve it
			r.resolve(key, r.now())
		}
	}
	return nil
}

// Keep writes changes down until ctx ends, several at once if the disk is
// slow. What cannot be written is tried again.
func (r *Incidents) Keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.dirty:
		}
		if err := r.Save(); err != nil {
			r.log.Error("the register of incidents cannot be written; it will be tried again", "err", err)
			t := time.NewTimer(saveAgain)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
				r.changed()
			}
		}
	}
}

// Save writes the register down, all or nothing.
func (r *Incidents) Save() error {
	r.file.mu.Lock()
	defer r.file.mu.Unlock()
	if r.file.path == "" {
		return nil
	}
	r.mu.Lock()
	w := writtenIncidents{Open: r.listOpen(), Past: slices.Clone(r.past)}
	r.mu.Unlock()
	b, err := json.MarshalIndent(w, "", "\t")
	if err != nil {
		return err
	}
	next := r.file.path + ".new"
	if err := writeSynced(next, b); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", next, err), os.Remove(next))
	}
	if err := os.Rename(next, r.file.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(r.file.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
