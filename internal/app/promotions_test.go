package app

import (
	"slices"
	"strings"
	"testing"

	"haat/internal/db"
)

var (
	lackShop   = db.C(`INSERT INTO promoted_shop (shard, shop, missing, term, at) VALUES ('s1', $1, TRUE, 2, 0)`)
	otherwhere = db.C(`UPDATE shop SET epoch = epoch + 1 WHERE id = $1`)
)

// A shop that a promotion found missing is an incident, until it is there or
// somebody has looked at it.
func TestWhatAPromotionLeavesIsNamed(t *testing.T) {
	s := open(t, nil)
	aalto, birch := s.shop("Aalto"), s.shop("Birch")
	for _, shop := range []string{aalto.slug, birch.slug} {
		err := s.app.control.Change(t.Context(), func(tx *db.ControlTx) error {
			_, err := tx.Exec(t.Context(), lackShop, shopOf(t, s, shop))
			if err == nil && shop == aalto.slug {
				_, err = tx.Exec(t.Context(), otherwhere, shopOf(t, s, shop))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.app.lookNow(t.Context())
	all := openOf(s.app.incidents, shopMissing)
	if len(all) != 1 || all[0].Shop != aalto.slug || !strings.Contains(all[0].Detail, aalto.slug+" on shard s1") || !strings.Contains(all[0].Detail, "term 2") {
		t.Errorf("open are %+v", all)
	}
	if settled, err := s.app.SettleShard(t.Context(), "s1"); err != nil || !slices.Equal(settled.Missing, []string{aalto.slug}) || len(settled.Closed) > 0 {
		t.Errorf("settled are %+v, %v", settled, err)
	}
	s.app.lookNow(t.Context())
	if all := openOf(s.app.incidents, shopMissing); len(all) > 0 {
		t.Errorf("still open are %+v", all)
	}
}
