package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"haat/internal/api"
	"haat/internal/backup"
	"haat/internal/cli"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/meter"
)

// Backup implements api.Operator.
func (a *App) Backup(ctx context.Context, dir string, tell func(backup.Progress)) (m backup.Manifest, err error) {
	if !a.backingUp.TryLock() {
		return m, errors.New("a backup is being made already")
	}
	defer a.backingUp.Unlock()
	src := backup.Source{
		Dir: a.cfg.Data, Control: a.control, Shards: map[string]db.Database{}, Version: Version,
		Quiet: func(ctx context.Context, fn func() error) error {
			// A change of the control database: nothing else is committed meanwhile.
			return a.control.Change(ctx, func(*db.ControlTx) error { return fn() })
		},
		Keep:    a.importer.Keeping,
		Reserve: int64(a.cfg.MinFree),
	}
	if src.Files, err = fleet.ShardFiles(ctx, a.control); err != nil {
		return m, err
	}
	for name := range src.Files {
		shard := a.fleet.Shard(name)
		if shard == nil {
			return m, fmt.Errorf("shard %s is not open here, and nothing is backed up without it: see haat doctor", name)
		}
		src.Shards[name] = shard
	}
	m, err = backup.Take(ctx, src, dir, tell)
	a.backedUp(ctx, dir, err)
	if err != nil {
		a.log.Error("a backup failed", "folder", dir, "err", err)
		return m, err
	}
	a.log.Info("a backup was made", "folder", dir, "shops", m.Shops, "files", m.Files, "bytes", m.Bytes)
	return m, nil
}

// backedUp keeps the register right about backups. It is written down at once:
// no watcher could see after a restart that the latest one had failed.
func (a *App) backedUp(ctx context.Context, dir string, err error) {
	switch {
	case err == nil:
		a.incidents.Resolve(backupFailing, "backup")
	case ctx.Err() != nil: // whoever asked for it has ended it
		return
	default:
		a.incidents.Raise(backupFailing, meter.Sighting{Subject: "backup", Detail: fmt.Sprintf("Into %s: %v", dir, err)})
	}
	if err := a.incidents.Save(); err != nil {
		a.log.Error("the register of incidents cannot be written", "err", err)
	}
}

type (
	backupCmd struct {
		remote
		cli.Backup
	}
	restoreCmd struct {
		Data string `default:"./data" env:"HAAT_DATA" help:"Data folder to restore into: an empty one, or none yet." type:"path"`
		cli.Restore
	}
)

// Run backs up through the server that has the data folder open or, when none
// has, the folder as it lies, without bringing it up to date or starting
// anything on it.
func (c *backupCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Token != "" {
		return c.Backup.Run(ctx, (&api.OperatorClient{URL: c.Ops, Token: c.Token}).Backup, out)
	}
	return c.Backup.Run(ctx, func(ctx context.Context, dir string, tell func(backup.Progress)) (m backup.Manifest, err error) {
		if _, err := os.Stat(c.Data); err != nil {
			return m, fmt.Errorf("--data: %w", err)
		}
		lock, err := lockData(c.Data)
		var used *InUse
		if errors.As(err, &used) {
			return m, fmt.Errorf("a server has %s open: give its operator token with --token or HAAT_OPS_TOKEN", c.Data)
		}
		if err != nil {
			return m, err
		}
		defer lock.Close()
		if err := backup.Unfinished(c.Data); err != nil {
			return m, err
		}
		src, end, err := backup.Folder(ctx, c.Data, Version)
		if err != nil {
			return m, err
		}
		m, err = backup.Take(ctx, src, dir, tell)
		return m, errors.Join(err, end())
	}, out)
}

// Run restores while nobody serves the data folder.
func (c *restoreCmd) Run(ctx context.Context, out io.Writer) error {
	return c.Restore.Run(ctx, func(ctx context.Context, dir string, tell func(backup.Progress)) (m backup.Manifest, err error) {
		known, err := db.Newest(append(Schemas(), ControlSchemas()...))
		if err != nil {
			return m, err
		}
		lock, err := lockData(c.Data)
		if err != nil {
			return m, err
		}
		defer lock.Close()
		return backup.Restore(ctx, dir, c.Data, known, tell)
	}, c.Data, out)
}
