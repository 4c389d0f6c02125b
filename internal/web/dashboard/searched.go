package dashboard

import (
	"net/http"
	"strings"

	"haat/internal/op"
	"haat/internal/search"
)

func (d *desk) searched() error { return d.showSearched(http.StatusOK, "", nil) }

func (d *desk) showSearched(status int, typed string, problems Problems) error {
	f, _, err := d.frame("Search", SectionSearch)
	if err != nil {
		return err
	}
	v := SearchReport{Frame: f, Days: 7, Synonyms: typed, Problems: problems}
	if d.r.URL.Query().Get("days") == "30" {
		v.Days = 30
	}
	if v.Asked, err = search.Report.Do(d.ctx(), d.room, d.by, search.ReportIn{Days: v.Days}); err != nil {
		return err
	}
	if problems == nil {
		own, err := search.Synonyms.Do(d.ctx(), d.room, d.by, op.Empty{})
		if err != nil {
			return err
		}
		var lines []string
		for _, g := range own.Groups {
			lines = append(lines, strings.Join(g, ", "))
		}
		v.Synonyms = strings.Join(lines, "\n")
	}
	return d.show(status, v.Page())
}

func (d *desk) saveSynonyms() error {
	text := d.r.FormValue("synonyms")
	var in search.SynonymsIn
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			in.Body.Groups = append(in.Body.Groups, strings.Split(line, ","))
		}
	}
	_, err := search.SetSynonyms.Do(d.ctx(), d.room, d.by, in)
	if f := wrong(err); f != nil {
		return d.showSearched(http.StatusUnprocessableEntity, text, Problems{"synonyms": f.Message})
	}
	if err != nil {
		return err
	}
	return d.back("/search#same", Flash{Text: "Saved. Searches know it at once."})
}
