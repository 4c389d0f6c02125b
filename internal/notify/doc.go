// Package notify tells people what happened: shoppers, merchants, and whoever
// signs in.
//
// A [Sender] takes a message to a phone or a mailbox: the console, a mail
// server (notify/smtp), an HTTP gateway (notify/gateway). [Post] has one for
// each [Channel], or none.
//
// Messages of a shop are rows. [Post.Subscribe] writes them in answer to an
// order's events, each once, and hands each to its channel's sender as a
// delivery that is tried until the sender has it: a sender that is down
// holds up its channel of that shop, in order, and loses nothing. The
// message's id goes along as the key of the delivery, so that a sender that
// knows such keys recognises one that was begun before a crash. What a sender
// refuses for good (no such address) is failed, and says why; what has waited
// longer than [GiveUp] is failed too; a channel without sender keeps its
// messages as kept. Merchants see all of that in [ListMessages].
//
// Messages of the platform, such as sign-in codes, are no rows: [Post.Send]
// hands them over at once, within [SendTime], or says that it could not.
//
// Texts are plain and short, in English or Hindi by the shop's locale, or the
// shop's own: templates that can say words and fields and nothing else
// ([SetText]). What a shopper typed is put into them only where it cannot pass
// for our words, see text.go.
package notify
