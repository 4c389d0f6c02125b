package media

import (
	"context"
	"testing"
)

func BenchmarkPhonePhoto(b *testing.B) {
	in := jpegOf(b, quarters(4000, 3000)) // 12 megapixels
	for b.Loop() {
		if _, _, err := Process(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}
