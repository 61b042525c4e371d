module example.com/enrich

go 1.24

require github.com/cofferdam/cofferdam/sdk/go v0.1.0

replace github.com/cofferdam/cofferdam/sdk/go => ../../../sdk/go
