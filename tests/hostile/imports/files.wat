;; wasi:filesystem/preopens: directories(result)
(import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
(alias export $files "descriptor" (type $descriptor))
(import "wasi:filesystem/preopens@0.2.0" (instance $preopens
  (alias outer 1 $descriptor (type $d'')) (export "descriptor" (type $d' (eq $d'')))
  (export "get-directories" (func (result (list (tuple (own $d') string)))))))
(alias export $preopens "get-directories" (func $get-directories))
;;= functions
;; directories: lower $get-directories: (param i32)
