package sheet

import (
	"bytes"
	"testing"
	"time"
)

func TestNoCellBecomesAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Meera": "Meera", "रवि शर्मा": "रवि शर्मा", "O'Neil": "O'Neil", "a=b": "a=b", "Blue-white": "Blue-white", "a, -b": "a, -b",
		"12": "12", "-12.50": "-12.50", "+919876543210": "+919876543210", "2026-11-24T19:05:00+05:30": "2026-11-24T19:05:00+05:30",
		"=1+1": "'=1+1", `=HYPERLINK("https://evil.test","x")`: `'=HYPERLINK("https://evil.test","x")`, "+1+1": "'+1+1", "-1+cmd|' /C calc'!A0": "'-1+cmd|' /C calc'!A0",
		"@SUM(A1)": "'@SUM(A1)", "\t=1": "\t'=1", "\r=1": "\r'=1", " =1": " '=1", "＝1+1": "'＝1+1", "x;=1+1": "x;'=1+1", `x;"=1+1"`: `x;"'=1+1"`, "Flat 3\n=1+1": "Flat 3\n'=1+1",
		"-": "'-", "--": "'--", "- a": "'- a",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

func TestRows(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, "Name", "At")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 19, 5, 0, 0, time.FixedZone("IST", 5*3600+1800))
	if err := w.Row("=A, B", Time(at)); err != nil {
		t.Fatal(err)
	}
	if err := w.Row("C", Time(time.Time{})); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "Name,At\n\"'=A, B\",2026-11-24T19:05:00+05:30\nC,\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
