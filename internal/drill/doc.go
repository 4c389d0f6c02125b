// Package drill breaks a platform on purpose and measures two clocks: how long
// until the platform itself names what is wrong, and what shoppers and
// merchants saw meanwhile.
//
// A drill starts this very program as processes of its own, with databases and
// other servers in temporary folders, has shoppers come at a fixed rate whatever
// they are answered, and injects a fault by real means: a signal, a database
// that is killed or told to stop replaying, a row that nobody can read. What is
// allowed to happen then stands in the drill, as lines that are held or not;
// how a protection is turned off, so that the drill must fall short, stands
// beside it and is done from outside the program.
//
// Everybody in a drill is a stranger: shops are opened, orders placed and
// incidents read over HTTP.
package drill
