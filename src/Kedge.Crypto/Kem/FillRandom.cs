using System.Security.Cryptography;

namespace Kedge.Crypto.Kem;

/// <summary>A source of randomness: <see cref="RandomNumberGenerator.Fill"/>, or what a test puts in its place.</summary>
/// <param name="destination">Is filled.</param>
internal delegate void FillRandom(Span<byte> destination);
