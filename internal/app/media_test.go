package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/app"
	"haat/internal/media/bucket/buckettest"
)

// A platform goes over from files to a bucket, loses the bucket for a while,
// is backed up and restored: its pictures are there all along, or it is said
// that they are not.
func TestPicturesMoveToABucket(t *testing.T) {
	s3 := buckettest.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3.Keys.Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3.Keys.Secret)
	address := s3.Address("haat")
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data)
	token, slug := s.merchant(t, "asha@example.com", "Asha Stores")
	images := "/api/v1/shops/" + slug + "/images"
	n := 0
	upload := func(s *served) (url string) {
		t.Helper()
		n++
		status, body, _ := s.upload(t, images, token, "a.png", picture(t, n))
		var up struct{ URL string }
		if err := json.Unmarshal([]byte(body), &up); status != 201 || err != nil {
			t.Fatalf("upload %d: %d %s", n, status, body)
		}
		return up.URL
	}
	look := func(s *served, want int, urls ...string) {
		t.Helper()
		for _, url := range urls {
			if status, body := s.raw(t, "GET", slug+".haat.test", url, "", nil); status != want || want == 200 && !strings.HasPrefix(string(body), "RIFF") {
				t.Errorf("%s: %d, %d bytes; want %d", url, status, len(body), want)
			}
		}
	}
	first := upload(s)
	copying := func(want string, args ...string) {
		t.Helper()
		if out, exit := haat(t, append([]string{"media", "copy", "--data", data}, args...)...); exit != 0 || !strings.Contains(out, want) {
			t.Errorf("media copy %v: %d %s; want %q", args, exit, out, want)
		}
	}
	copying("goes on as before", "--to", address)
	second := upload(s)
	s.stop()

	refused := func(want string, args ...string) {
		t.Helper()
		out, exit := haat(t, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--url", "http://haat.test"}, args...)...)
		if exit != 1 || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("serve %v: %d %q; want %q", args, exit, out, want)
		}
		if strings.Contains(out, s3.Keys.Secret) || strings.Contains(out, s3.Keys.Access) {
			t.Errorf("a key is in %q", out)
		}
	}
	refused("copy them first, with haat media copy --to", "--media", address)
	copying("From now on", "--to", address)
	copying("of which 0 were copied", "--to", address, "--check")
	if err := os.RemoveAll(filepath.Join(data, "media")); err != nil {
		t.Fatal(err)
	}
	refused("copy them first, with haat media copy --to \"files\"", "--media", "files")
	refused("copy them first", "--media", s3.Address("elsewhere"))
	refused("refuses the key of AWS_SECRET_ACCESS_KEY", "--s3-secret-key", "wrong")
	if out, exit := haat(t, "config", "--media", address); exit != 0 || strings.Contains(out, s3.Keys.Secret) || !strings.Contains(out, "AWS_SECRET_ACCESS_KEY=(set)") {
		t.Errorf("config: %d %s", exit, out)
	}

	s = serve(t, data) // the folder knows where they are
	look(s, 200, first, second)
	third := upload(s)
	fourth := upload(s)
	s.stop()
	if err := os.RemoveAll(filepath.Join(data, "media-near")); err != nil { // as on a machine that has not seen them
		t.Fatal(err)
	}
	s = serve(t, data)
	look(s, 200, third)
	finding := func(s *served) (ok bool, detail string) {
		t.Helper()
		found, err := s.Health(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Name == "pictures" || f.Name == "object-storage-unreachable" {
				return f.OK, f.Detail
			}
		}
		return false, "nothing"
	}
	if ok, detail := finding(s); !ok || !strings.Contains(detail, address[:len("s3://pictures/haat")]) {
		t.Errorf("doctor: %v %s", ok, detail)
	}

	s3.Stop()
	look(s, 200, third)
	look(s, 503, fourth)
	if status, _ := s.raw(t, "GET", slug+".haat.test", "/", "", nil); status != 200 {
		t.Errorf("the shop without its bucket: %d", status)
	}
	status, body, header := s.upload(t, images, token, "a.png", picture(t, 90))
	if status != 503 || !strings.Contains(body, "media-away") || header.Get("Retry-After") == "" || strings.Contains(body, "127.0.0.1") {
		t.Errorf("an upload without the bucket: %d %s", status, body)
	}
	if ok, detail := finding(s); ok || !strings.Contains(detail, "does not answer") || strings.Contains(detail, s3.Keys.Secret) {
		t.Errorf("doctor without the bucket: %v %s", ok, detail)
	}
	s3.Again(t)
	for end := time.Now().Add(20 * time.Second); ; {
		ok, detail := finding(s)
		if ok {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("doctor, the bucket being back: %s", detail)
		}
	}

	dir := filepath.Join(t.TempDir(), "backup")
	out, exit := haat(t, "backup", dir, "--ops", "http://"+s.cfg.OpsListen, "--token", opsToken)
	if exit != 0 || !strings.Contains(out, "The pictures are not in it: they are in s3://pictures/haat") {
		t.Fatalf("backup: %d %s", exit, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "backup.json")); err != nil || !strings.Contains(string(b), `"media": "s3://pictures/haat?`) || strings.Contains(string(b), s3.Keys.Secret) {
		t.Errorf("backup.json: %s, %v", b, err)
	}
	s.stop()
	own := filepath.Join(t.TempDir(), "own")
	copying("were copied and read back", "--to", own)
	if files(t, own) < 4*2 {
		t.Errorf("%d files were copied", files(t, own))
	}
	again := filepath.Join(t.TempDir(), "again")
	if out, exit := haat(t, "restore", dir, "--data", again); exit != 0 || !strings.Contains(out, "they are looked for in s3://pictures/haat") {
		t.Fatalf("restore: %d %s", exit, out)
	}
	s = serve(t, again)
	look(s, 200, first, second, third, fourth)
	s.stop()

	// And back to files.
	copying("From now on", "--to", "files")
	s3.Stop()
	s = serve(t, data, func(c *app.Config) { c.Media = "files" })
	look(s, 200, first, second, third, fourth)
}
