package app

func signUpUntilKilled() {}
