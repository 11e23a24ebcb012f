-- What modelpack.cover_partitions() makes, the last step but one of partitions.sql: the triggers of the partitions.
-- Written by `make docs`; look at it, do not edit it.
--
-- A trigger for each statement does not fire for a statement that names a partition, so every partition has its own.
-- A trigger for each row is copied by the server.

CREATE TRIGGER modelpack_device_guard BEFORE UPDATE OF fault, fault_scored_at, fault_stale, fault_version, features_at,
  features_read_at, networks, pings ON public.device_eu
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_guard('modelpack_owner');
CREATE TRIGGER modelpack_device_log AFTER INSERT ON public.device_eu
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_log();
CREATE TRIGGER zz_modelpack_device_score BEFORE INSERT OR UPDATE OF region, device_id ON public.device_eu
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_score();
CREATE TRIGGER modelpack_device_guard BEFORE UPDATE OF fault, fault_scored_at, fault_stale, fault_version, features_at,
  features_read_at, networks, pings ON public.device_us
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_guard('modelpack_owner');
CREATE TRIGGER modelpack_device_log AFTER INSERT ON public.device_us
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_log();
CREATE TRIGGER zz_modelpack_device_score BEFORE INSERT OR UPDATE OF region, device_id ON public.device_us
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_score();
CREATE TRIGGER modelpack_device_delete AFTER DELETE ON public.ping_2026 REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_delete();
CREATE TRIGGER modelpack_device_insert AFTER INSERT ON public.ping_2026 REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_insert();
CREATE TRIGGER modelpack_device_truncate AFTER TRUNCATE ON public.ping_2026
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_truncate();
CREATE TRIGGER modelpack_device_update AFTER UPDATE ON public.ping_2026
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_update();
CREATE TRIGGER zz_modelpack_device_moved BEFORE DELETE ON public.ping_2026
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_count_ping_move();
CREATE TRIGGER zz_modelpack_device_moves BEFORE UPDATE ON public.ping_2026 FOR EACH ROW
  WHEN (record_image_ne(ROW(old.pinged_at), ROW(new.pinged_at))) EXECUTE FUNCTION modelpack.device_count_ping_move();
CREATE TRIGGER modelpack_device_delete AFTER DELETE ON public.ping_2027 REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_delete();
CREATE TRIGGER modelpack_device_insert AFTER INSERT ON public.ping_2027 REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_insert();
CREATE TRIGGER modelpack_device_truncate AFTER TRUNCATE ON public.ping_2027
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_truncate();
CREATE TRIGGER modelpack_device_update AFTER UPDATE ON public.ping_2027
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION modelpack.device_count_ping_update();
CREATE TRIGGER zz_modelpack_device_moved BEFORE DELETE ON public.ping_2027
  FOR EACH ROW EXECUTE FUNCTION modelpack.device_count_ping_move();
CREATE TRIGGER zz_modelpack_device_moves BEFORE UPDATE ON public.ping_2027 FOR EACH ROW
  WHEN (record_image_ne(ROW(old.pinged_at), ROW(new.pinged_at))) EXECUTE FUNCTION modelpack.device_count_ping_move();
