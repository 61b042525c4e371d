;; wasi:cli/environment: environment(result), arguments(result)
(import "wasi:cli/environment@0.2.0" (instance $environment
  (export "get-environment" (func (result (list (tuple string string)))))
  (export "get-arguments" (func (result (list string))))))
(alias export $environment "get-environment" (func $get-environment))
(alias export $environment "get-arguments" (func $get-arguments))
;;= functions
;; environment: lower $get-environment: (param i32)
;; arguments: lower $get-arguments: (param i32)
