using System.Security.Cryptography;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Asks a controller that has several addresses: at the same one as long as it answers there, and otherwise at the next. Its owner disposes it.
/// One call at a time.
/// </summary>
/// <param name="addresses">The addresses, best first; at least one.</param>
/// <param name="certificate">The node's certificate, DER; null before it has one.</param>
/// <param name="identity">The key of the certificate; stays the caller's. Null without a certificate.</param>
/// <param name="clock">What time it is.</param>
public sealed class RoamingClient(
    IReadOnlyList<ControllerAddress> addresses, ReadOnlyMemory<byte>? certificate, ECDsa? identity, TimeProvider clock) : IDisposable
{
    private int _index;
    private ControllerClient? _client;

    /// <summary>Asks, at each address until one answers. What an answer says is the answer, also a refusal.</summary>
    /// <exception cref="ControllerException">Nobody answers at any of them, or the answer is a refusal.</exception>
    public async Task<T> AskAsync<T>(Func<ControllerClient, Task<T>> ask)
    {
        for (int failures = 0; ;)
        {
            try
            {
                _client ??= new ControllerClient(addresses[_index], certificate, identity, clock);
                return await ask(_client);
            }
            catch (ControllerException exception) when (exception.Status is null)
            {
                Dispose();
                _index = (_index + 1) % addresses.Count;
                if (++failures == addresses.Count)
                    throw;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client?.Dispose();
        _client = null;
    }
}
