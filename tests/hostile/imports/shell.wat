;; An interface that no host has.
(import "acme:shell/exec@1.0.0" (instance $shell (export "exec" (func (param "command" string)))))
(alias export $shell "exec" (func $shell-exec))
;;= functions
;; exec: lower $shell-exec: (param i32 i32)
