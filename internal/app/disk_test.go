package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"haat/internal/app"
	"haat/internal/db/dbtest"
)

// upload sends a file as a merchant would.
func (s *served) upload(t *testing.T, path, token, name string, content []byte) (int, string, http.Header) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.cfg.Listen+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "haat.test"
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (s *served) metric(t *testing.T, name string) string {
	t.Helper()
	res, err := http.Get("http://" + s.cfg.OpsListen + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func picture(t *testing.T, shade int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 600, 600))
	for i := range img.Pix {
		img.Pix[i] = byte(i*shade + i*i/7)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The disk fills under a served platform. Writes and uploads are refused in
// plain words, pages go on, the operator is told, and everything goes on when
// there is room, without a restart.
func TestTheDiskIsFull(t *testing.T) {
	disk := dbtest.SmallDisk(t, "96m")
	data := filepath.Join(disk.Dir, "data")
	s := serve(t, data, func(c *app.Config) { c.MinFree = 1 })
	token, slug := s.merchant(t, "asha@example.com", "Asha Stores")
	products := "/api/v1/shops/" + slug + "/products"
	product := func(n int) map[string]any {
		return map[string]any{"title": fmt.Sprint("Lamp ", n), "status": "active", "description": strings.Repeat("bright ", 2000),
			"variants": []map[string]any{{"price": map[string]any{"amount": 1000, "currency": "INR"}}}}
	}
	saved := 0
	for n := range 3 {
		if status, body := s.raw(t, "POST", "haat.test", products, token, product(n)); status >= 300 {
			t.Fatalf("a product while there is room: %d %s", status, body)
		}
		saved++
	}
	disk.Fill()
	refused := ""
	for n := 3; n < 400 && refused == ""; n++ { // some fit into what the log has kept
		status, body := s.raw(t, "POST", "haat.test", products, token, product(n))
		switch {
		case status < 300:
			saved++
		case status == 503 && strings.Contains(string(body), "disk is full") && strings.Contains(string(body), "disk-full"):
			refused = string(body)
		default:
			t.Fatalf("a product while the disk is full: %d %s", status, body)
		}
	}
	if refused == "" {
		t.Fatal("no write was refused")
	}
	if v := s.metric(t, "haat_disk_full"); v != "1" {
		t.Errorf("haat_disk_full is %q", v)
	}
	if out, exit := haat(t, "doctor", "--ops", "http://"+s.cfg.OpsListen, "--token", opsToken); exit == 0 || !strings.Contains(out, "found the disk of") || !strings.Contains(out, "BAD  disk-full (") {
		t.Errorf("doctor: %s", out)
	}
	if v := s.metric(t, `haat_incident_open{name="disk-full"}`); v != "1" {
		t.Errorf("haat_incident_open of disk-full is %q", v)
	}
	for _, path := range []string{"/", "/products/lamp-1"} {
		if status, body := s.raw(t, "GET", slug+".haat.test", path, "", nil); status != 200 || !strings.Contains(string(body), "Lamp 1") {
			t.Errorf("a page while the disk is full: %s: %d", path, status)
		}
	}
	had := files(t, filepath.Join(data, "media")) + files(t, filepath.Join(data, "imports"))
	status, body, header := s.upload(t, "/api/v1/shops/"+slug+"/images", token, "lamp.png", picture(t, 3))
	if status != 503 || !strings.Contains(body, "disk") || header.Get("Retry-After") == "" {
		t.Errorf("a picture: %d %s", status, body)
	}
	csv := "Handle,Title,Variant Price\n" + strings.Repeat("lamp,Lamp,10.00\n", 100_000)
	status, body, header = s.upload(t, "/api/v1/shops/"+slug+"/imports", token, "lamps.csv", []byte(csv))
	if status != 503 || !strings.Contains(body, "disk") || header.Get("Retry-After") == "" {
		t.Errorf("a catalogue: %d %s", status, body)
	}
	if now := files(t, filepath.Join(data, "media")) + files(t, filepath.Join(data, "imports")); now != had {
		t.Errorf("refused uploads left %d files", now-had)
	}
	disk.Free()
	if status, body := s.raw(t, "POST", "haat.test", products, token, product(1000)); status >= 300 {
		t.Fatalf("a product once there is room: %d %s", status, body)
	}
	saved++
	if status, body, _ := s.upload(t, "/api/v1/shops/"+slug+"/images", token, "lamp.png", picture(t, 3)); status != 201 {
		t.Errorf("a picture once there is room: %d %s", status, body)
	}
	if v := s.metric(t, "haat_disk_full"); v != "0" {
		t.Errorf("haat_disk_full is %q", v)
	}
	if out, _ := haat(t, "doctor", "--ops", "http://"+s.cfg.OpsListen, "--token", opsToken); strings.Contains(out, "disk-full") {
		t.Errorf("doctor once there is room: %s", out)
	}
	if v := s.metric(t, `haat_incident_open{name="disk-full"}`); v != "0" {
		t.Errorf("haat_incident_open of disk-full is %q once there is room", v)
	}
	s.stop()
	r := serve(t, data, func(c *app.Config) { c.MinFree = 1 })
	there := 0
	for next := ""; ; {
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if status := r.call(t, "GET", "haat.test", products+"?limit=250&cursor="+next, token, nil, &page); status != 200 {
			t.Fatalf("list products: %d", status)
		}
		there += len(page.Items)
		if next = page.Next; next == "" {
			break
		}
	}
	if there != saved {
		t.Errorf("%d products were acknowledged, %d are there", saved, there)
	}
}

// Below the reserve, pictures and catalogues are refused, and orders are not.
func TestTheReserveIsForOrders(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "data"), func(c *app.Config) { c.MinFree = 1 << 60 })
	token, slug := s.merchant(t, "asha@example.com", "Asha Stores")
	for path, content := range map[string][]byte{"images": picture(t, 5), "imports": []byte("Handle,Title\nlamp,Lamp\n")} {
		status, body, header := s.upload(t, "/api/v1/shops/"+slug+"/"+path, token, "x", content)
		if status != 503 || !strings.Contains(body, "disk-nearly-full") || header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	status, body := s.raw(t, "POST", "haat.test", "/api/v1/shops/"+slug+"/products", token, map[string]any{"title": "Lamp",
		"variants": []map[string]any{{"price": map[string]any{"amount": 1000, "currency": "INR"}}}})
	if status >= 300 {
		t.Errorf("a product: %d %s", status, body)
	}
	if out, exit := haat(t, "doctor", "--ops", "http://"+s.cfg.OpsListen, "--token", opsToken); exit == 0 || !strings.Contains(out, "BAD  disk-nearly-full (") || !strings.Contains(out, "are refused, so that orders go on longer") {
		t.Errorf("doctor: %s", out)
	}
}
