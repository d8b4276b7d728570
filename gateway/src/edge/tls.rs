//! TLS with an authority of our own, made at first start. Clients are given `tls/ca.pem`.
//!
//! The server's certificate is issued anew at each start and kept in memory only; the authority's key never leaves its folder.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use chrono::Datelike;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authority can't be read or written.
    #[error("tls folder: {0}")]
    Io(#[from] std::io::Error),
    /// The authority's files are not what they should be, or a name in the certificate is none.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the certificate.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes `ca.pem` and `ca.key` in a folder unless they are there.
pub fn ensure_authority(folder: &Path) -> Result<(), Error> {
    if folder.join("ca.pem").exists() && folder.join("ca.key").exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let key = KeyPair::generate()?;
    let certificate = authority_params().self_signed(&key)?;
    write(&folder.join("ca.key"), &key.serialize_pem(), 0o600)?;
    write(&folder.join("ca.pem"), &certificate.pem(), 0o644)
}

/// A server configuration (TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1) with a new certificate for these names and addresses.
pub fn server_config(folder: &Path, names: &[String]) -> Result<Arc<ServerConfig>, Error> {
    let authority_key = KeyPair::from_pem(&fs::read_to_string(folder.join("ca.key"))?)?;
    let authority_pem = fs::read_to_string(folder.join("ca.pem"))?;
    let issuer = Issuer::from_ca_cert_pem(&authority_pem, authority_key)?;
    let key = KeyPair::generate()?;
    let certificate = server_params(names)?.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| std::io::Error::other(error.to_owned()))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Madang local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2046, 1, 1);
    params
}

fn server_params(names: &[String]) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = name("Madang");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    // Some clients refuse certificates that live longer than 825 days.
    let today = chrono::Utc::now().date_naive();
    params.not_before = midnight(today - chrono::Days::new(2));
    params.not_after = midnight(today + chrono::Days::new(800));
    Ok(params)
}

fn midnight(day: chrono::NaiveDate) -> time::OffsetDateTime {
    let part = |number: u32| u8::try_from(number).unwrap_or(1);
    date_time_ymd(day.year(), part(day.month()), part(day.day()))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
