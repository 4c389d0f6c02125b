// Package bench measures the platform on the machine it runs on, beside what
// people would use instead, and says how near to the machine's limit it is.
//
// Each benchmark is a function that fills a [Result] with rows. What is
// compared is measured in one run, in turns. Servers are child processes of
// this very program on free ports of 127.0.0.1, each with a folder of its own,
// ended by their process id. Load never leaves the machine, and is bounded in
// connections and time.
//
// Ceilings are found by a closed loop (wrk: the next request follows the
// answer), latencies at a fixed rate of arrivals (vegeta), where a slow answer
// does not hold back the requests behind it and so cannot hide.
package bench
