;; wasi:sockets/tcp-create-socket: socket(family, result)
(import "wasi:sockets/network@0.2.0" (instance $network
  (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
    "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
    "address-in-use" "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted"
    "datagram-too-large" "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
  (export "error-code" (type (eq $code')))
  (type $family' (enum "ipv4" "ipv6"))
  (export "ip-address-family" (type (eq $family')))))
(alias export $network "error-code" (type $error-code))
(alias export $network "ip-address-family" (type $family))
(import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
(alias export $tcp "tcp-socket" (type $tcp-socket))
(import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
  (alias outer 1 $error-code (type $c'')) (export "error-code" (type $c' (eq $c'')))
  (alias outer 1 $family (type $f'')) (export "ip-address-family" (type $f' (eq $f'')))
  (alias outer 1 $tcp-socket (type $t'')) (export "tcp-socket" (type $t' (eq $t'')))
  (export "create-tcp-socket" (func (param "address-family" $f') (result (result (own $t') (error $c')))))))
(alias export $create "create-tcp-socket" (func $create-tcp-socket))
;;= functions
;; socket: lower $create-tcp-socket: (param i32 i32)
