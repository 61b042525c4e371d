module github.com/cofferdam/cofferdam/sdk/go

go 1.24
