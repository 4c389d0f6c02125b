package dashboard

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"haat/internal/catalog"
	"haat/internal/op"
	"haat/internal/sheet"
)

var importWords = map[catalog.ImportStatus]Status{
	catalog.ImportQueued: {"Waiting", "info"}, catalog.ImportRunning: {"Running", "info"}, catalog.ImportDone: {"Done", "good"}, catalog.ImportFailed: {"Failed", "bad"},
}

func (d *desk) importStart() error { return d.showImportStart(http.StatusOK, nil) }

func (d *desk) showImportStart(status int, problems Problems) error {
	f, _, err := d.frame("Import", SectionImport)
	if err != nil {
		return err
	}
	list, err := catalog.ListImports.Do(d.ctx(), d.room, d.by, op.Page{})
	if err != nil {
		return err
	}
	p := ImportStart{Frame: f, Problems: problems, MaxSize: "512 MB"}
	for _, x := range list.Items {
		note := fmt.Sprintf("%d created, %d updated, %d errors", x.Products.Created, x.Products.Updated, x.Errors)
		if x.DryRun {
			note = "Check only: " + note
		}
		p.Past = append(p.Past, ImportRow{URL: d.base + "/imports/" + x.ID.String(), File: x.Name, Note: note, At: x.CreatedAt, State: importWords[x.Status]})
	}
	return d.show(status, p.Page())
}

// startImport takes the file in as it comes, however large it is.
func (d *desk) startImport() error {
	parts, err := d.r.MultipartReader()
	if err != nil {
		return d.showImportStart(http.StatusUnprocessableEntity, Problems{"file": "Choose a file."})
	}
	var o catalog.StartOptions
	var kept *catalog.Upload
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return unread(err)
		}
		switch part.FormName() {
		case "file":
			if kept != nil || part.FileName() == "" {
				continue
			}
			o.Name = part.FileName()
			if kept, err = d.Importer.Keep(part); err != nil {
				return unread(err)
			}
			defer kept.Drop()
		case "dry_run":
			b, err := io.ReadAll(io.LimitReader(part, 10))
			if err != nil {
				return unread(err)
			}
			o.DryRun = string(b) == "1"
		}
	}
	if kept == nil {
		return d.showImportStart(http.StatusUnprocessableEntity, Problems{"file": "Choose a file."})
	}
	begun, err := d.Importer.Start(d.ctx(), d.room, d.by, kept, o)
	if f := wrong(err); f != nil {
		return d.showImportStart(http.StatusUnprocessableEntity, Problems{"file": f.Message})
	}
	if err != nil {
		return err
	}
	return d.back("/imports/"+begun.ID.String(), Flash{})
}

// applyImport imports what was checked, without its file being sent again.
func (d *desk) applyImport() error {
	in := catalog.ImportIn{Import: d.r.PathValue("import")}
	begun, err := d.Importer.Apply(d.ctx(), d.room, d.by, in)
	if f := wrong(err); f != nil {
		return d.back("/imports/"+in.Import, Flash{Text: f.Message, Kind: "bad"})
	}
	if err != nil {
		return err
	}
	return d.back("/imports/"+begun.ID.String(), Flash{})
}

func (d *desk) showImport() error {
	x, err := catalog.GetImport.Do(d.ctx(), d.room, d.by, catalog.ImportIn{Import: d.r.PathValue("import")})
	if err != nil {
		return err
	}
	f, _, err := d.frame("Import", SectionImport)
	if err != nil {
		return err
	}
	return d.show(http.StatusOK, d.importView(f, x).Page())
}

func (d *desk) importView(f Frame, x catalog.Import) Import {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	p := Import{
		Frame: f, URL: d.base + "/imports/" + x.ID.String(), File: x.Name, Status: string(x.Status), DryRun: x.DryRun, At: x.CreatedAt, Rows: x.Rows, Done: x.RowsDone, Failure: x.Failure,
		Counts: []Count{{"Products created", n(x.Products.Created)}, {"Products updated", n(x.Products.Updated)}, {"Products left out", n(x.Products.Skipped)}, {"Variants", n(x.Variants)}},
		Images: ImageCounts{Queued: x.Images.Queued, Done: x.Images.Done, Failed: x.Images.Failed},
	}
	if x.DryRun {
		p.Counts[0].Label, p.Counts[1].Label, p.Counts[2].Label = "Products to create", "Products to update", "Products to leave out"
	}
	p.LiveURL = p.URL + "/live"
	if x.CanApply {
		p.ApplyURL = p.URL + "/apply"
	}
	if x.AppliedAs != nil {
		p.ResultURL = d.base + "/imports/" + x.AppliedAs.String()
	}
	if x.StartedAt != nil && x.RowsDone > 0 && x.FinishedAt == nil {
		if took := time.Since(*x.StartedAt).Seconds(); took >= 1 {
			rate := float64(x.RowsDone) / took
			p.Speed = fmt.Sprintf("%.0f rows a second", rate)
			if left := float64(x.Rows-x.RowsDone) / rate; left >= 1 {
				p.Remains = "about " + time.Duration(left*float64(time.Second)).Round(time.Second).String() + " left"
			}
		}
	}
	for _, e := range x.RowErrors[:min(len(x.RowErrors), 200)] {
		p.Errors = append(p.Errors, RowError{Row: e.Line, Column: e.Column, Value: e.Handle, Text: e.Message, Fatal: e.Skipped != ""})
	}
	if more := x.Errors - int64(len(p.Errors)); more > 0 {
		p.More = fmt.Sprintf("and %d more", more)
	}
	if len(x.RowErrors) > 0 {
		p.ErrorsURL = p.URL + "/errors.csv"
	}
	for _, e := range x.FailedImages {
		p.Images.Failures = append(p.Images.Failures, ImageFailure{URL: e.URL, Text: e.Error})
	}
	return p
}

// importErrors is what was wrong with the rows, for a spreadsheet.
func (d *desk) importErrors() error {
	x, err := catalog.GetImport.Do(d.ctx(), d.room, d.by, catalog.ImportIn{Import: d.r.PathValue("import")})
	if err != nil {
		return err
	}
	d.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	d.w.Header().Set("Content-Disposition", `attachment; filename="import-errors.csv"`)
	d.w.Header().Set("Cache-Control", "private, no-store")
	c, err := sheet.NewWriter(d.w, "Line", "Column", "Handle", "What is wrong", "Left out")
	for _, e := range x.RowErrors {
		if err == nil {
			err = c.Row(strconv.Itoa(e.Line), e.Column, e.Handle, e.Message, string(e.Skipped))
		}
	}
	if err = cmp.Or(err, c.Flush()); err != nil {
		d.Log.Debug("a download was cut off", "err", err)
	}
	return nil
}
