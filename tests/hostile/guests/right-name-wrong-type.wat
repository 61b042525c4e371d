;; The handler in name, but it takes a number.
(component
  (core module $Main (func (export "handle") (param i32)))
  (core instance $main (instantiate $Main))
  (func $handle (param "message" u32) (canon lift (core func $main "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "cofferdam:plugin/handler@0.1.0" (instance $handler)))
