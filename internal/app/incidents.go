package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"haat/internal/api"
	"haat/internal/event"
	"haat/internal/meter"
)

// The names of incidents, in the field's terms. They never change: alerts,
// runbooks and drills know them.
const (
	diskFull         = "disk-full"
	diskNearlyFull   = "disk-nearly-full"
	databaseDown     = "database-unreachable"
	poisonEvent      = "poison-event"
	parkingStopped   = "parking-stopped"
	consumerStalled  = "consumer-stalled"
	relayStalled     = "relay-stalled"
	undelivered      = "events-undelivered"
	topicUnfit       = "topic-misconfigured"
	recordRefused    = "record-refused"
	partitionStuck   = "partition-stuck"
	topicUnseen      = "topic-unseen"
	stockWrong       = "stock-discrepancy"
	stockUnseen      = "stock-check-failing"
	jobFailing       = "job-failing"
	orphanLeft       = "orphaned-shop"
	backupFailing    = "backup-failing"
	deliveryFailing  = "message-delivery-failing"
	importStalled    = "import-stalled"
	connectionsShort = "connections-exhausted"
	overBudget       = "shop-over-share"
	mediaDown        = "object-storage-unreachable"
	certExpired      = "certificate-expired"
	certExpiring     = "certificate-expiring"
	certFailing      = "certificate-failing"

	dataLost           = "acknowledged-data-lost"
	shopMissing        = "shop-missing"
	secondPrimary      = "second-primary"
	shopClosed         = "shop-closed-by-promotion"
	replicaLate        = "replica-late"
	replicaUnreachable = "replica-unreachable"
	replicaRefused     = "replica-refused"
	processLost        = "process-lost"
	processKilled      = "process-killed"
	versionSkew        = "version-skew"
	picturesApart      = "pictures-not-shared"
	moveStuck          = "move-stuck"
	watcherBlind       = "watcher-blind"
	cacheLost          = "cache-lost"
	pagesStale         = "pages-stale"
)

// incidentKinds is what the platform can name, and what is to be done then.
// docs/operating.md has the same words.
var incidentKinds = []meter.Kind{
	{Name: databaseDown, Severity: meter.Critical,
		Means: "A database does not answer: nobody can order in its shops, and only kept pages are shown.",
		Next:  "Look in the log at what it answers; restart haat, and if it stays, restore from a backup."},
	{Name: diskFull, Severity: meter.Critical,
		Means: "The last write found no room: writes are refused, pages go on, and nothing acknowledged is lost.",
		Next:  "Make room on the disk of the data folder; writes go on by themselves."},
	{Name: stockWrong, Severity: meter.Critical,
		Means: "What a shop's ledger says and what its stock says differ: it may sell what it has not got.",
		Next:  "Count it by hand before more of it is sold; haat check --shop and --explain show how the numbers came about."},
	{Name: backupFailing, Severity: meter.Critical,
		Means: "The latest backup failed: there is none of today's data.",
		Next:  "Mend what it says and run haat backup again."},
	{Name: poisonEvent, Severity: meter.Critical,
		Means: "Events that cannot be handled were parked: what comes after them with the same key waits, everything else goes on.",
		Next:  "Look at them under Parked: try each key again once its cause is mended, or give it up."},
	{Name: parkingStopped, Severity: meter.Critical,
		Means: "So many keys of one subscriber were parked that no more are: it is the program that fails, not the events. What fails waits in its shop, in order.",
		Next:  "Look what it says under Parked, and mend it or go back to the program before: what waits takes effect by itself. Then try the parked keys again."},
	{Name: deliveryFailing, Severity: meter.Critical,
		Means: "Messages cannot be sent this way: people who sign in get no code, and what shops tell of orders waits up to three days.",
		Next:  "Look whether the mail server or gateway is up and takes our password; then sign in yourself to see that a code comes."},
	{Name: mediaDown, Severity: meter.Critical,
		Means: "The bucket with the pictures does not answer: what was looked at lately is still shown, and uploads are refused.",
		Next:  "Look whether the bucket is up and takes our key; uploads go on by themselves."},
	{Name: certExpired, Severity: meter.Critical,
		Means: "The certificate has run out: browsers refuse every page.",
		Next:  "Put a new certificate and key where --tls-cert and --tls-key say; they are taken within seconds."},
	{Name: certExpiring, Severity: meter.Warning,
		Means: "The certificate runs out soon, and no newer one has come in its place.",
		Next:  "Look why whatever renews it has not; a new pair is taken within seconds."},
	{Name: certFailing, Severity: meter.Warning,
		Means: "The certificate's files as they are now cannot be taken: the pair that was read before is still shown.",
		Next:  "Mend what it says; the files are read again by themselves."},
	{Name: dataLost, Severity: meter.Critical, Grace: 10 * time.Minute,
		Means: "A write that was acknowledged is gone: the database failed over to a standby that had not seen it.",
		Next:  "Look in the old primary for what is missing before it is made a standby, and tell the shop; it closes an hour after the last sign."},
	{Name: picturesApart, Severity: meter.Critical,
		Means: "Several processes serve, and they keep pictures in different places: what is uploaded at one is not seen at another.",
		Next:  "Copy the pictures to a bucket with haat media copy, and start every process with that --media."},
	{Name: processLost, Severity: meter.Warning,
		Means: "A process is silent and did not say that it ends; others do what it did alone.",
		Next:  "Look at its machine and start haat there again; one that stays away is forgotten after a day."},
	{Name: processKilled, Severity: meter.Warning, Grace: time.Minute,
		Means: "This process ended without saying so, and was started again: it was killed, or its machine lost power. Nothing acknowledged is lost.",
		Next:  "Look in the system's log what ended it (memory that ran out, say); it closes ten minutes after the start.",
	},
	{Name: versionSkew, Severity: meter.Warning,
		Means: "Processes of different versions serve the same shops.",
		Next:  "Finish the upgrade: start the older ones again with the newer program."},
	{Name: diskNearlyFull, Severity: meter.Warning,
		Means: "Little room is left on the disk of the data folder.",
		Next:  "Make room before writes are refused."},
	{Name: pagesStale, Severity: meter.Critical,
		Means: "Pages out of memory show what has long been changed: this process does not hear of changes, and does not know it.",
		Next:  "Start this process again, which empties its memory, and keep its log: say what it shows to who maintains haat."},
	{Name: cacheLost, Severity: meter.Warning, Quiet: 10 * time.Second,
		Means: "Redis does not answer: each process makes its pages itself, so one that has just started is slower. Nothing is lost, and nothing old is shown.",
		Next:  "Bring Redis back; it is used again by itself."},
	{Name: consumerStalled, Severity: meter.Warning, Quiet: 10 * time.Second, Grace: 30 * time.Second,
		Means: "A subscriber cannot go on with events, which wait in order; nothing is lost.",
		Next:  "Bring back what it waits for; it goes on by itself."},
	{Name: topicUnfit, Severity: meter.Critical,
		Means: "The Kafka topic of events is not as it must be: events wait in the databases, selling goes on.",
		Next:  "Mend its setting, or start haat with another; events go on by themselves."},
	{Name: undelivered, Severity: meter.Critical,
		Means: "No process carries a shard's events: messages, search and figures of its shops stand still, and selling goes on. Nothing is lost.",
		Next:  "Start a process with the role relay; it goes on where the last one stopped."},
	{Name: relayStalled, Severity: meter.Critical, Quiet: 10 * time.Second,
		Means: "Events do not come to Kafka: they wait in the databases in order, selling goes on, and messages, search and figures are late.",
		Next:  "Bring the brokers back; events go on by themselves."},
	{Name: partitionStuck, Severity: meter.Critical,
		Means: "A partition of the topic has events that nobody comes on with: some shops' messages, search and figures are late; nothing is lost.",
		Next:  "Do what it says: bring back a process that delivers, or start the one that holds it again."},
	{Name: topicUnseen, Severity: meter.Warning,
		Means: "How far events were handled cannot be seen, since Kafka does not answer.",
		Next:  "Bring the brokers back; it closes by itself."},
	{Name: recordRefused, Severity: meter.Warning, Grace: 10 * time.Minute,
		Means: "Records on the topic of events are not haat's, or of a newer haat: they were passed over, and what they stood for is read from the databases.",
		Next:  "Look who else writes to the topic, or finish the upgrade; it closes an hour after the last one."},
	{Name: importStalled, Severity: meter.Warning, Grace: 2 * time.Minute,
		Means: "A shop's import, or the pictures of one, fails again and again; it is tried at least once a minute.",
		Next:  "Mend what it says; the import goes on where it stopped."},
	{Name: jobFailing, Severity: meter.Warning, Grace: 15 * time.Minute,
		Means: "Something that is done in the background fails again and again; the other work goes on.",
		Next:  "Mend what it says; it is tried again by itself."},
	{Name: moveStuck, Severity: meter.Warning, Grace: 2 * time.Minute,
		Means: "A shop's move to another shard fails again and again; the shop is served where it is, unless it says otherwise.",
		Next:  "Mend what it says: it is tried again by itself. Or give it up: haat move SHOP --cancel."},
	{Name: watcherBlind, Severity: meter.Warning,
		Means: "One of those that look for incidents sees nothing: what it looks at may be wrong, and nobody is told.",
		Next:  "Mend what it says; if that is nothing, start haat again."},
	{Name: orphanLeft, Severity: meter.Warning,
		Means: "What an unfinished sign-up left on a shard cannot be erased; nobody sees it.",
		Next:  "Look whether that shard takes writes; it is tried again every minute."},
	{Name: stockUnseen, Severity: meter.Warning,
		Means: "Whether stock adds up could not be seen everywhere.",
		Next:  "Mend what it says; haat check looks at all shops now."},
	{Name: shopMissing, Severity: meter.Critical,
		Means: "A shop is not where the directory has it: a standby was promoted there that had not received what brought the shop. Nobody reaches it.",
		Next:  "Bring it back from the earlier primary or a backup, or suspend it; it closes by itself then, or with haat shard settle SHARD."},
	{Name: secondPrimary, Severity: meter.Critical,
		Means: "A server takes writes that is not its shard's primary: an earlier one, or a standby that was promoted and lacks what was written since. No process of haat writes there.",
		Next:  "Shut it down and make it a standby anew. If the primary is gone for good, take it and lose that: haat shard promote SHARD --to ADDRESS --force."},
	{Name: shopClosed, Severity: meter.Warning,
		Means: "A standby was promoted that took a shop for its own which lives on another shard. It was closed there, and goes on where it lives.",
		Next:  "Look whether the shop has its last orders; then say so: haat shard settle SHARD."},
	{Name: replicaLate, Severity: meter.Warning, Grace: 30 * time.Second,
		Means: "A replica lags: only reads that may be old still go there, and only while no other can take them.",
		Next:  "Look what holds its replay up (a long query there, its disk, the link); it comes back by itself."},
	{Name: replicaUnreachable, Severity: meter.Warning, Grace: 30 * time.Second,
		Means: "A replica does not answer: its reads go to the others and to the primary.",
		Next:  "Bring it back, or take it off the list; it is read from again by itself."},
	{Name: replicaRefused, Severity: meter.Warning, Grace: 30 * time.Second,
		Means: "What is listed as a replica is none of that shard, and is not read from.",
		Next:  "Mend the address in the list, or make that server a standby of the shard's primary."},
	{Name: connectionsShort, Severity: meter.Warning, Quiet: time.Minute,
		Means: "All connections were taken by busy ones, and people were turned away.",
		Next:  "If these are shoppers, raise --max-connections and --memory; if one address floods, block it in front."},
	{Name: overBudget, Severity: meter.Warning, Grace: 30 * time.Second,
		Means: "A shop asks more of its shard than its share: its own requests wait or are refused, and those of others go first.",
		Next:  "If its people are real, move it to a shard of its own while it sells: haat move SHOP --to SHARD; if one address floods, block it in front."},
}

const (
	watchEvery = 5 * time.Second
	watchTime  = 4 * time.Second // for one look
	mebibyte   = 1 << 20
	lowDisk    = 1 << 30 // bytes
)

// watcher looks at one thing and says in the register all that is wrong with
// it. Its error says that it could not look, which changes nothing there.
type watcher struct {
	name string
	look func(context.Context) error
	turn chan struct{} // taken by the look under way: an older one never overwrites a newer

	mu   sync.Mutex
	back time.Time // when a look last came back
	saw  time.Time // when one last saw something; both when it began, before that
	why  error     // why it sees nothing since
}

func newWatcher(name string, look func(context.Context) error) *watcher {
	return &watcher{name: name, look: look, turn: make(chan struct{}, 1), back: time.Now(), saw: time.Now()}
}

func (w *watcher) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back, w.why = time.Now(), err
	if err == nil {
		w.saw = w.back
	}
	return err
}

// openIncidents begins the register with what an earlier run left in it.
func (a *App) openIncidents() error {
	a.incidents = meter.NewIncidents(a.log, incidentKinds...)
	a.meter.Incidents(a.incidents)
	return a.incidents.Remember(filepath.Join(a.cfg.Data, "incidents.json"))
}

// watch looks at everything now and every few seconds, each beside the others,
// so that one that hangs hides no other.
func (a *App) watch(ctx context.Context) {
	a.watchers = []*watcher{
		newWatcher("control database", a.watchControl),
		newWatcher("disk", a.watchDisk),
		newWatcher("pictures", a.watchMedia),
		newWatcher("parked events", a.watchParked),
		newWatcher("subscribers", a.watchSubscribers),
		newWatcher("topic of events", a.watchTopic),
		newWatcher("Redis", a.watchSecond),
		newWatcher("age of pages", a.watchStale),
		newWatcher("stock", a.books.watch(a.incidents)),
		newWatcher("sweeps", a.watchSweeps),
		newWatcher("imports", a.watchImports),
		newWatcher("moves", a.watchMoves),
		newWatcher("connections", a.watchConnections()),
		newWatcher("budgets", a.watchBudgets),
		newWatcher("certificate", a.watchCertificate),
		newWatcher("replicas", a.watchReplicas),
		newWatcher("promotions", a.watchPromotions),
		newWatcher("primaries", a.watchPrimaries()),
		newWatcher("processes", a.watchProcesses),
		newWatcher("shards", a.watchShards()),
	}
	a.workers.Go(func() { a.incidents.Keep(ctx) })
	a.workers.Go(func() { a.watchWatchers(ctx) })
	for _, w := range a.watchers {
		a.workers.Go(func() {
			t := time.NewTicker(watchEvery)
			defer t.Stop()
			for failed := false; ; {
				err := w.once(ctx)
				if ctx.Err() != nil {
					return
				}
				if err != nil && !failed {
					a.log.Warn("cannot look for incidents; it will be tried again", "at", w.name, "err", err)
				}
				failed = err != nil
				select {
				case <-ctx.Done():
					return
				case <-t.C:
				}
			}
		})
	}
}

// lookNow has every watcher look.
func (a *App) lookNow(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range a.watchers {
		all.Go(func() { _ = w.once(ctx) }) // which tells again in its own time why it could not
	}
	all.Wait()
}

// answers keeps the register right about one database.
func (a *App) answers(ctx context.Context, subject string, check func(context.Context) error) error {
	start := time.Now()
	err := check(ctx)
	if err == nil {
		a.incidents.Resolve(databaseDown, subject)
		return nil
	}
	if ctx.Err() == context.Canceled { // nobody waits for the answer
		return ctx.Err()
	}
	a.incidents.Raise(databaseDown, meter.Sighting{Subject: subject, Since: start, Detail: sentence(err)})
	return nil
}

func (a *App) watchControl(ctx context.Context) error {
	return a.answers(ctx, "control database", a.fleet.Check)
}

// watchShards looks at every shard that is listed, each beside the others, so
// that one that hangs hides no other. One that was removed is no incident any
// more.
func (a *App) watchShards() func(context.Context) error {
	before := map[string]bool{}
	return func(ctx context.Context) error {
		now, closed := map[string]bool{}, a.fleet.Closed()
		var all sync.WaitGroup
		look := func(name string, check func(context.Context) error) {
			now[name] = true
			all.Go(func() { _ = a.answers(ctx, "shard "+name, check) }) // nobody waits any more
		}
		for name, s := range a.fleet.Shards {
			look(name, func(ctx context.Context) error {
				err := s.Check(ctx)
				if a.fleet.Shard(name) != s {
					return nil // it was closed meanwhile, on purpose
				}
				return err
			})
		}
		for name, why := range closed {
			look(name, func(context.Context) error { return why })
		}
		all.Wait()
		for name := range before {
			if !now[name] {
				a.incidents.Resolve(databaseDown, "shard "+name)
			}
		}
		before = now
		return nil
	}
}

func (a *App) watchMedia(ctx context.Context) error {
	place, _, err := a.mediaAnswers(ctx)
	switch {
	case err == nil:
		a.incidents.Resolve(mediaDown, place)
	case ctx.Err() == context.Canceled:
		return ctx.Err()
	default:
		a.incidents.Raise(mediaDown, meter.Sighting{Subject: place, Detail: sentence(err)})
	}
	return nil
}

// watchDisk tells a full disk from one that soon will be. What is nearly full
// is so until a tenth more than that is free.
func (a *App) watchDisk(context.Context) error {
	n, err := a.diskFree()
	if err != nil {
		return err
	}
	subject := a.cfg.Data
	var full, low []meter.Sighting
	if a.diskFull() {
		full = append(full, meter.Sighting{Subject: subject, Detail: fmt.Sprintf("The last write found the disk of %s full; %d MiB are free now.", subject, n/mebibyte)})
	}
	reserve := int64(a.cfg.MinFree)
	most := max(reserve, lowDisk)
	if a.lowOnDisk.Load() {
		most += most / 10
	}
	if a.lowOnDisk.Store(n < most); n < most {
		s := meter.Sighting{Subject: subject, Detail: fmt.Sprintf("Only %d MiB are free in %s.", n/mebibyte, subject)}
		if n < reserve {
			s.Detail += " New pictures and catalogues are refused, so that orders go on longer."
		}
		low = append(low, s)
	}
	a.incidents.See(diskFull, full)
	a.incidents.See(diskNearlyFull, low)
	return nil
}

// saysWhy is of how many shops an incident says why events are parked.
const saysWhy = 20

func (a *App) watchParked(ctx context.Context) error {
	counts, err := a.bus.ParkedCounts(ctx)
	if err != nil {
		return err
	}
	var all []meter.Sighting
	for _, c := range counts {
		s := meter.Sighting{Subject: c.Shop.String(), Detail: fmt.Sprintf("%d events are parked.", c.N)}
		if c.N == 1 {
			s.Detail = "1 event is parked."
		}
		if room, err := a.fleet.ByID(ctx, c.Shop); err == nil {
			s.Subject, s.Shop = room.Slug(), room.Slug()
			if len(all) < saysWhy {
				first, err := event.ParkedKeys(ctx, room, "", "", 1)
				if err != nil {
					return err
				}
				for _, p := range first {
					s.Detail += fmt.Sprintf(" %s could not handle %s: %s.", p.Subscriber, p.Topic, strings.TrimSuffix(p.Error, "."))
				}
			}
		}
		all = append(all, s)
	}
	a.incidents.See(poisonEvent, all)
	return nil
}

// stallsAfter is how long a subscriber waits before it is said.
const stallsAfter = 5 * time.Second

func (a *App) watchSubscribers(context.Context) error {
	_, waiting := a.bus.Backlog()
	var all []meter.Sighting
	for name, w := range waiting {
		if time.Since(w.Since) >= stallsAfter {
			all = append(all, meter.Sighting{Subject: name, Since: w.Since, Detail: fmt.Sprintf("Events of %d shops wait: %s", w.Shops, w.Why)})
		}
	}
	a.incidents.See(consumerStalled, all)
	var stopped []meter.Sighting
	for name, stop := range a.bus.Stopped() {
		stopped = append(stopped, meter.Sighting{Subject: name, Since: stop.Since, Detail: strings.ToUpper(stop.Why[:1]) + stop.Why[1:] + "."})
	}
	a.incidents.See(parkingStopped, stopped)
	return nil
}

// failingAfter is how often in a row something fails in one shop before it is
// said.
const failingAfter = 3

func (a *App) watchSweeps(ctx context.Context) error {
	var all []meter.Sighting
	for _, s := range a.sweeps {
		for shop, r := range s.failing() {
			at := meter.Sighting{Subject: s.what + ": " + shop.String(), Since: r.since, Detail: fmt.Sprintf("It failed %d times in a row: %s", r.failed, r.why)}
			if room, err := a.fleet.ByID(ctx, shop); err == nil {
				at.Subject, at.Shop = s.what+": "+room.Slug(), room.Slug()
			}
			all = append(all, at)
		}
	}
	a.jobs.Range(func(what, failed any) bool {
		all = append(all, failed.(meter.Sighting))
		return true
	})
	a.incidents.See(jobFailing, all)
	return nil
}

func (a *App) watchImports(ctx context.Context) error {
	var all []meter.Sighting
	for _, x := range a.importer.Failing() {
		if x.Failures < failingAfter {
			continue
		}
		at := meter.Sighting{Subject: x.What + ": " + x.Shop.String(), Since: x.Since, Detail: fmt.Sprintf("It failed %d times in a row: %s", x.Failures, sentence(x.Err))}
		if room, err := a.fleet.ByID(ctx, x.Shop); err == nil {
			at.Subject, at.Shop = x.What+": "+room.Slug(), room.Slug()
		}
		all = append(all, at)
	}
	a.incidents.See(importStalled, all)
	return nil
}

// watchConnections tells when people were turned away since the look before.
func (a *App) watchConnections() func(context.Context) error {
	var before int64
	return func(context.Context) error {
		c := a.crowd.Load()
		if c == nil {
			return nil
		}
		var all []meter.Sighting
		if n := c.refused.Load(); n > before {
			all = append(all, meter.Sighting{Subject: a.cfg.Listen, Detail: fmt.Sprintf("%d connections were turned away within %v; %d are open.", n-before, watchEvery, c.now())})
			before = n
		}
		a.incidents.See(connectionsShort, all)
		return nil
	}
}

// sentence makes of an error what can be read aloud.
func sentence(err error) string {
	if err == nil {
		return "nobody knows why."
	}
	return err.Error()
}

// Incidents implements api.Operator.
func (a *App) Incidents(ctx context.Context) (api.Incidents, error) {
	a.lookNow(ctx)
	return api.Incidents{Open: a.incidents.Open(), Past: a.incidents.Past()}, ctx.Err()
}
