using System.CommandLine;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge login URL --pin PIN</c>: keeps the address of a controller, how to know it again, and a token for it.</summary>
internal sealed class LoginCommand : Command
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10), StartInterval = TimeSpan.FromMilliseconds(200);

    private readonly Argument<string?> _url = new("URL")
    {
        Description = "The controller's address: https://HOST[:PORT]. With --data-dir it may be left out.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _pin = Inputs.Text(
        "--pin", "PIN", "By what the controller is known: 'pin' of a join line, which 'kedge controller' shows when it starts.");

    private readonly Option<string?> _tokenFile = Inputs.Text(
        "--token-file", "FILE", "The file with the administrator's token; without it the token is asked for, or read from standard input.");

    private readonly Option<string?> _dataDirectory = Inputs.Text(
        "--data-dir", "DIRECTORY", "On the controller's own machine: take pin, token and address from its data.");

    private readonly Option<string> _loginFile = LoginFile.Option();

    public LoginCommand()
        : base("login", "Log in to a controller as an administrator. Later commands use this login until 'kedge logout'.")
    {
        _url.Validators.Add(result =>
        {
            if (!Login.TryReadUrl(result.Tokens[0].Value, out _))
                result.AddError($"'{result.Tokens[0].Value}' is no controller's address: write it like https://control.example:8443.");
        });
        _pin.Validators.Add(result =>
        {
            if (!Sha256Digest.TryParse(result.Tokens[0].Value, out _))
                result.AddError($"'{result.Tokens[0].Value}' is no pin: 43 letters, digits, '-' and '_', as 'pin=' of a join line has them.");
        });
        Arguments.Add(_url);
        Option[] options = [_pin, _tokenFile, _dataDirectory, _loginFile];
        foreach (Option option in options)
            Options.Add(option);
        Validators.Add(result =>
        {
            bool isLocal = result.GetResult(_dataDirectory) is not null;
            if (!isLocal && result.GetResult(_url) is not { Tokens.Count: > 0 })
                result.AddError("Which controller? Name its address: kedge login https://HOST:PORT --pin PIN");
            if (!isLocal && result.GetResult(_pin) is null)
                result.AddError("--pin is missing. The controller shows it when it starts; without it anybody could pass for the controller.");
            if (isLocal && (result.GetResult(_pin) ?? result.GetResult(_tokenFile)) is not null)
                result.AddError("--data-dir has pin and token: leave out --pin and --token-file.");
        });
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        (Login login, NetworkDescription network) = call.GetValue(_dataDirectory) is { } folder
            ? await AwaitLocalAsync(folder, call.GetValue(_url))
            : await ReachAsync(ReadCall(call));
        string path = Path.GetFullPath(call.GetRequiredValue(_loginFile));
        login.Write(path);
        call.InvocationConfiguration.Output.WriteLine(
            TextTable.Clean($"Logged in to {login.Url.GetLeftPart(UriPartial.Authority)}, which runs the {network.Mode} network {network.Id}."));
        call.InvocationConfiguration.Error.WriteLine($"The login is in {path}, which only you can read.");
        return 0;
    }

    private static async Task<(Login, NetworkDescription)> ReachAsync(Login login)
    {
        using var controller = new AdminClient(login);
        return (login, await controller.GetNetworkAsync());
    }

    // On its own machine the controller may have been started by the line above.
    private static async Task<(Login, NetworkDescription)> AwaitLocalAsync(string folder, string? url)
    {
        string[] files =
        [
            Control.Controller.UrlFileOf(folder),
            Control.Controller.ServerAuthorityFileOf(folder),
            Control.Controller.AdministratorTokenFileOf(folder),
        ];
        for (long start = TimeProvider.System.GetTimestamp(); ; await Task.Delay(StartInterval))
        {
            bool isLast = TimeProvider.System.GetElapsedTime(start) > StartPatience;
            string? missing = files.FirstOrDefault(file => !File.Exists(file));
            if (missing is not null && isLast)
            {
                throw new UserError(
                    $"No controller has started in {folder} yet: there is no {missing}. Start it first, or name its folder with --data-dir.");
            }
            if (missing is not null)
                continue;
            try
            {
                return await ReachAsync(ReadDataDirectory(folder, url));
            }
            catch (UserError e) when (!isLast && e.InnerException?.InnerException is ConnectException { Error: SocketError.ConnectionRefused })
            {
                // It has run before, and does not listen again yet.
            }
        }
    }

    private Login ReadCall(ParseResult call)
    {
        // Both were checked when the call was read.
        _ = Login.TryReadUrl(call.GetRequiredValue(_url)!, out Uri? url);
        string token = call.GetValue(_tokenFile) is { } file ? Login.ReadToken(FileText.Read(file), file) : SecretInput.Read();
        return new Login(url!, Sha256Digest.Parse(call.GetRequiredValue(_pin)), token);
    }

    private static Login ReadDataDirectory(string folder, string? url)
    {
        url ??= FileText.Read(Control.Controller.UrlFileOf(folder)).Trim();
        if (!Login.TryReadUrl(url, out Uri? address))
            throw new UserError($"{folder} does not say where its controller listens. Name the address: kedge login URL --data-dir {folder}");
        string authority = FileText.Read(Control.Controller.ServerAuthorityFileOf(folder));
        string tokenFile = Control.Controller.AdministratorTokenFileOf(folder);
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(authority);
            var pin = Sha256Digest.Of(certificate.PublicKey.ExportSubjectPublicKeyInfo());
            return new Login(address, pin, Login.ReadToken(FileText.Read(tokenFile), tokenFile));
        }
        catch (CryptographicException e)
        {
            throw new UserError($"{folder} has no certificate of the server authority: is it the data directory of a controller?", e);
        }
    }
}

/// <summary><c>kedge logout</c>: forgets the login.</summary>
internal sealed class LogoutCommand : Command
{
    private readonly Option<string> _loginFile = LoginFile.Option();

    public LogoutCommand()
        : base("logout", "Forget the login. The token itself stays valid.")
    {
        Options.Add(_loginFile);
        SetAction(call => call.InvocationConfiguration.Output.WriteLine(
            Login.Delete(call.GetRequiredValue(_loginFile)) ? "Logged out." : "There was no login."));
    }
}
