using System.CommandLine;
using Kedge.Protocol;

namespace Kedge.Commands.Rosenpass;

/// <summary><c>kedge rosenpass gen-config FILE</c>: writes a configuration to begin with.</summary>
internal sealed class GenConfigCommand : Command
{
    private const string Example =
        """
        # Paths are relative to where the program is started.
        public_key = "rosenpass-public-key"
        secret_key = "rosenpass-secret-key"

        # Where to receive; [] for any address and port, which is enough where every peer has an endpoint.
        listen = ["0.0.0.0:9999", "[::]:9999"]

        # Quiet or Verbose
        verbosity = "Quiet"

        [[peers]]
        public_key = "peer-public-key"

        # Leave it out where the peer comes to us.
        endpoint = "peer.example:9999"

        # For the development version of rosenpass: "V02" or "V03". Releases 0.2.x know no such key.
        # protocol_version = "V03"

        # A secret that both ends have beforehand, as 'wg genpsk' prints it.
        # pre_shared_key = "peer-preshared-key"

        # Where the key goes: to a file, or to WireGuard, or to both.
        key_out = "peer-key-out"
        # device = "wg0"
        # peer = "the peer's public key of WireGuard"

        """;

    private readonly Argument<string> _file = new("FILE") { Description = "The file to write." };
    private readonly Option<bool> _force = RosenpassCommand.Force();

    public GenConfigCommand()
        : base("gen-config", "Write a configuration file to begin with.")
    {
        Arguments.Add(_file);
        Options.Add(_force);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        string path = call.GetRequiredValue(_file);
        try
        {
            using var stream = new FileStream(path, call.GetValue(_force) ? FileMode.Create : FileMode.CreateNew);
            using var writer = new StreamWriter(stream);
            writer.Write(Example);
            return 0;
        }
        catch (IOException e) when (File.Exists(path) && !call.GetValue(_force))
        {
            throw new UserError($"{path} exists and is not replaced; name another file, or say --force.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be written: {e.Message}", e);
        }
    }
}
