;; wasi:cli/exit: exit(0 or 1)
(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
(alias export $exit "exit" (func $exit-exit))
;;= functions
;; exit: lower $exit-exit: (param i32)
