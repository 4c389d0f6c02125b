package stock_test

func sellUntilKilled() {}
