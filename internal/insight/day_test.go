package insight

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Every day has one first moment, and the day before ends there, in every
// zone and at every change of clocks.
func TestADayBeginsAtItsFirstMoment(t *testing.T) {
	for _, name := range []string{"Asia/Kolkata", "Asia/Kathmandu", "Europe/London", "America/New_York", "America/Santiago", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Atlantic/Azores", "Australia/Lord_Howe", "Pacific/Chatham"} {
		z := zone(t, name)
		for n := range 730 {
			noon := time.Date(2024, 1, 1+n, 12, 0, 0, 0, z)
			begin := midnight(noon, 0)
			if begin.Format(time.DateOnly) != noon.Format(time.DateOnly) {
				t.Errorf("%s: %s begins at %s", name, noon.Format(time.DateOnly), begin)
			}
			if before := begin.Add(-time.Microsecond).Format(time.DateOnly); before == noon.Format(time.DateOnly) {
				t.Errorf("%s: there is more of %s before %s", name, before, begin)
			}
			if next := noon.AddDate(0, 0, 1); !midnight(next, 1).Equal(begin) {
				t.Errorf("%s: seen a day later %s begins at %s", name, begin, midnight(next, 1))
			}
		}
	}
}

func TestHoursAroundMidnightAndChangesOfClocks(t *testing.T) {
	type sale struct {
		at     string
		amount int64
	}
	for name, c := range map[string]struct {
		zone, now             string
		sales                 []sale
		hours, before         map[int]int64
		sum, yesterday, lastW int64
	}{
		"just after midnight in India": {"Asia/Kolkata", "2026-11-24T18:31:00Z",
			[]sale{{"2026-11-24T18:30:00Z", 5}, {"2026-11-24T18:15:00Z", 7}, {"2026-11-23T18:30:00Z", 11}, {"2026-11-17T18:30:00Z", 13}, {"2026-11-17T18:15:00Z", 17}},
			map[int]int64{0: 5}, map[int]int64{23: 7, 0: 11}, 5, 11, 13},
		"just before midnight in India": {"Asia/Kolkata", "2026-11-24T18:29:00Z",
			[]sale{{"2026-11-24T18:15:00Z", 5}, {"2026-11-23T18:30:00Z", 7}, {"2026-11-23T18:15:00Z", 11}},
			map[int]int64{23: 5, 0: 7}, map[int]int64{23: 11}, 12, 11, 0},
		"the day that London's clocks go back": {"Europe/London", "2026-10-25T02:00:00Z",
			[]sale{{"2026-10-25T00:15:00Z", 5}, {"2026-10-25T01:15:00Z", 7}, {"2026-10-24T23:15:00Z", 11}, {"2026-10-24T22:45:00Z", 13}},
			map[int]int64{0: 11, 1: 12}, map[int]int64{23: 13}, 23, 0, 0},
		"the day that London's clocks go forward": {"Europe/London", "2026-03-29T05:00:00Z",
			[]sale{{"2026-03-29T00:45:00Z", 5}, {"2026-03-29T01:00:00Z", 7}},
			map[int]int64{0: 5, 2: 7}, nil, 12, 0, 0},
		"Cairo, where that day has no 00:00": {"Africa/Cairo", "2026-04-24T09:00:00Z",
			[]sale{{"2026-04-23T21:45:00Z", 5}, {"2026-04-23T22:00:00Z", 7}},
			map[int]int64{1: 7}, map[int]int64{23: 5}, 7, 0, 0},
		"Havana, where that day has two": {"America/Havana", "2026-11-01T12:00:00Z",
			[]sale{{"2026-11-01T03:45:00Z", 3}, {"2026-11-01T04:15:00Z", 5}, {"2026-11-01T05:15:00Z", 7}},
			map[int]int64{0: 12}, map[int]int64{23: 3}, 12, 0, 0},
	} {
		var all []sum
		for _, s := range c.sales {
			all = append(all, sum{at: moment(t, s.at), orders: 1, units: 1, sales: s.amount})
		}
		d := dayOf(moment(t, c.now).In(zone(t, c.zone)), "INR", all)
		for h := range 24 {
			if d.Hours[h] != c.hours[h] || d.Before[h] != c.before[h] {
				t.Errorf("%s, %d h: %d today and %d yesterday, want %d and %d", name, h, d.Hours[h], d.Before[h], c.hours[h], c.before[h])
			}
		}
		if d.Sales.Amount != c.sum || d.Yesterday.Amount != c.yesterday || d.LastWeek.Amount != c.lastW || !d.AsOf.Equal(moment(t, c.now)) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
