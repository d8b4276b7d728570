-- What a space says of itself (dataspace.md section 11). response_domain: `ds` in links for respondents; zone: of its date-times; api_access:
-- whether its plan has access to the API.
ALTER TABLE space ADD COLUMN response_domain TEXT NOT NULL DEFAULT 'ds';
ALTER TABLE space ADD COLUMN zone TEXT NOT NULL DEFAULT 'Asia/Seoul';
ALTER TABLE space ADD COLUMN api_access BOOLEAN NOT NULL DEFAULT TRUE;

-- role: words parted by blanks. Who was the administrator has every role.
UPDATE space_member SET role = 'admin developer privacy member' WHERE role = 'admin';
