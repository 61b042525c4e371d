;; Fills its bucket, 64 KiB under a new key each time, and is told some time that it is full. Its quota is 1 MiB.
;;= imports: keyvalue
;;= grants: keyvalue
;;= memory: 4
;;= items
(data (i32.const 4096) "own")
;;= handle
(call $open (i32.const 4096) (i32.const 3) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 0)) (then (unreachable)))
(block $full
  (loop $again
    (i32.store (i32.const 4200) (i32.add (i32.const 0x30303030) (local.get $i)))
    (call $set (i32.load (i32.const 2052)) (i32.const 4200) (i32.const 4) (i32.const 65536) (i32.const 65536) (i32.const 2064))
    (br_if $full (i32.load8_u (i32.const 2064)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 60)))
    (unreachable)))
