namespace Kedge.Protocol;

/// <summary>
/// Fills a span with bytes that nobody can predict. Protocol code is handed its randomness, so that a test can hand it a seed.
/// </summary>
public delegate void RandomBytes(Span<byte> destination);
