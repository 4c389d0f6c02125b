package dashboard

import (
	"fmt"
	"net/http"
	"time"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/op"
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
	list, err := catalog.ListImports.Do(d.ctx(), d.room, d.by, op.Empty{})
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

func (d *desk) startImport() error {
	if err := d.multipart(); err != nil {
		return err
	}
	file, head, err := d.r.FormFile("file")
	if err != nil {
		return d.showImportStart(http.StatusUnprocessableEntity, Problems{"file": "Choose a file."})
	}
	defer file.Close()
	kept, err := d.Importer.Keep(file)
	if err != nil {
		return err
	}
	defer kept.Drop()
	begun, err := d.Importer.Start(d.ctx(), d.room, d.by, kept, catalog.StartOptions{Name: head.Filename, DryRun: d.form("dry_run") == "1"})
	if f := wrong(err); f != nil {
		return d.showImportStart(http.StatusUnprocessableEntity, Problems{"file": f.Message})
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
	p := Import{
		Frame: f, URL: d.base + "/imports/" + x.ID.String(), File: x.Name, Status: string(x.Status), DryRun: x.DryRun, At: x.CreatedAt, Rows: x.Rows, Done: x.RowsDone, Failure: x.Failure,
		Counts: []Count{{"Products created", fmt.Sprint(x.Products.Created)}, {"Products updated", fmt.Sprint(x.Products.Updated)}, {"Products left out", fmt.Sprint(x.Products.Skipped)}, {"Variants", fmt.Sprint(x.Variants)}},
		Images: ImageCounts{Queued: x.Images.Queued, Done: x.Images.Done, Failed: x.Images.Failed},
	}
	if x.StartedAt != nil && x.RowsDone > 0 {
		end := time.Now()
		if x.FinishedAt != nil {
			end = *x.FinishedAt
		}
		if took := end.Sub(*x.StartedAt); took > 0 {
			rate := float64(x.RowsDone) / took.Seconds()
			p.Speed = fmt.Sprintf("%.0f rows a second", rate)
			if left := float64(x.Rows-x.RowsDone) / rate; left > 1 {
				p.Remains = "about " + time.Duration(left*float64(time.Second)).Round(time.Second).String() + " left"
			}
		}
	}
	for _, e := range x.RowErrors {
		p.Errors = append(p.Errors, RowError{Row: e.Line, Column: e.Column, Text: e.Message, Fatal: e.Skipped != ""})
	}
	if more := x.Errors - int64(len(p.Errors)); more > 0 {
		p.More = fmt.Sprintf("and %d more", more)
	}
	for _, e := range x.FailedImages {
		p.Images.Failures = append(p.Images.Failures, ImageFailure{URL: e.URL, Text: e.Error})
	}
	if x.DryRun && x.Status == catalog.ImportDone {
		p.StartURL = d.base + "/import"
	}
	if x.Status == catalog.ImportQueued || x.Status == catalog.ImportRunning {
		d.w.Header().Set("Refresh", "2")
	}
	return d.show(http.StatusOK, p.Page())
}

func (d *desk) runImport() error {
	return fault.Conflict("choose-again", "Choose the file again and import it.")
}

func (d *desk) export() error {
	f, _, err := d.frame("Export", SectionImport)
	if err != nil {
		return err
	}
	n, err := catalog.CountProducts(d.ctx(), d.room)
	if err != nil {
		return err
	}
	p := Export{Frame: f, Products: plural(n, "product"), ProductsURL: d.base + "/export/products.csv"}
	return d.show(http.StatusOK, p.Page())
}

func (d *desk) exportProducts() error {
	return api.SendExport(d.w, d.r, op.Call{Room: d.room, By: d.by}, d.Importer)
}
