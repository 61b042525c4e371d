;; wasi:logging: log(level, context, length, message, length)
(import "wasi:logging/logging@0.1.0-draft" (instance $logging
  (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
  (export "level" (type $level (eq $level')))
  (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
(alias export $logging "log" (func $logging-log))
;;= functions
;; log: lower $logging-log: (param i32 i32 i32 i32 i32)
