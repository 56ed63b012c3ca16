using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// <c>kedge rosenpass</c> and Kedge's WireGuard on one machine; on the other one wireguard-go, and the program that <c>KEDGE_ROSENPASS</c>
/// names. They run when they are asked for, <c>-explicit on</c>; <c>script/test</c> asks where the variable is set.
/// </summary>
public sealed class OriginalTests : IDisposable
{
    private const string None = "(none)", KedgeAddress = "192.0.2.1:9999", OriginalAddress = "192.0.2.2:9999";

    private readonly RosenpassProgram _program = RosenpassProgram.Original; // first, because it may be missing
    private readonly Tunnel _tunnel = Tunnel.Start();
    private readonly ExchangeEnd _kedge;
    private readonly ExchangeEnd _original;

    public OriginalTests() =>
        (_kedge, _original) = (new ExchangeEnd(_tunnel.Kedge), new ExchangeEnd(_tunnel.Other, _program));

    public void Dispose() => _tunnel.Dispose();

    [Theory(Explicit = true)]
    [InlineData(true)]
    [InlineData(false)]
    public void Both_ends_get_the_same_key_whoever_begins_and_another_one_after_a_restart(bool kedgeBegins)
    {
        (RunningProcess kedge, RunningProcess original) = Start(kedgeBegins);
        AwaitSameKey(before: None, Timeouts.Retry);
        kedge.WaitForLine($"key-file \"{_kedge.KeyFile}\" exchanged", Timeouts.Soon);
        original.WaitForLine($"key-file \"{_original.KeyFile}\" exchanged", Timeouts.Soon);
        _tunnel.Handshake();
        string before = _kedge.PresharedKey;

        (kedgeBegins ? kedge : original).Kill();
        (kedgeBegins ? _kedge : _original).Start();

        AwaitSameKey(before, Timeouts.Retry);
        _tunnel.Kedge.EndSessions();
        _tunnel.Kedge.Reaches(_tunnel.Other.Address);
    }

    [Theory(Explicit = true)]
    [InlineData(true)]
    [InlineData(false)]
    public void Each_end_takes_the_key_files_that_the_other_has_made(bool kedgeBegins)
    {
        string layout = new FileInfo(_original.SecretKey).Length == 13608 ? "main" : "0.2"; // the original knows only its own one
        _kedge.Run("gen-keys", "-f", "-p", _kedge.PublicKey, "-s", _kedge.SecretKey, "--layout", layout);
        Swap(_kedge.PublicKey, _original.PublicKey);
        Swap(_kedge.SecretKey, _original.SecretKey);

        Start(kedgeBegins);

        AwaitSameKey(before: None, Timeouts.Retry);
    }

    [Theory(Explicit = true)]
    [Trait("Category", "Soak")]
    [InlineData(true)]
    [InlineData(false)]
    public void A_key_is_renewed_after_two_minutes(bool kedgeBegins)
    {
        Start(kedgeBegins);
        AwaitSameKey(before: None, Timeouts.Retry);

        AwaitSameKey(_kedge.PresharedKey, TimeSpan.FromSeconds(150));
    }

    private (RunningProcess Kedge, RunningProcess Original) Start(bool kedgeBegins)
    {
        _kedge.Configure(_original, kedgeBegins ? OriginalAddress : null, version: null, listen: KedgeAddress);
        _original.Configure(_kedge, kedgeBegins ? null : KedgeAddress, version: null, listen: OriginalAddress);
        return (_kedge.Start(), _original.Start());
    }

    private void AwaitSameKey(string before, TimeSpan timeout) => Wait.Until(
        () => _kedge.PresharedKey is var key && key != before && key != None
            && key == _original.PresharedKey && key == KeyIn(_kedge.KeyFile) && key == KeyIn(_original.KeyFile),
        timeout,
        "another key, the same in WireGuard and in a file at both ends");

    private static string? KeyIn(string file) => File.Exists(file) ? File.ReadAllText(file) : null;

    private static void Swap(string one, string other)
    {
        string between = $"{one}.swap";
        File.Move(one, between);
        File.Move(other, one);
        File.Move(between, other);
    }
}
